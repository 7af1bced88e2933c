package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/result"
)

// faulty is a server of one process that ends when it is asked to panic, and
// takes memory when it is asked to leak.
func faulty(addr string) {
	var kept [][]byte
	say := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
	}
	http.HandleFunc("/healthz", say("ok"))
	http.HandleFunc("/plaintext", say("Hello, World!"))
	http.HandleFunc("/fault/panic", func(http.ResponseWriter, *http.Request) { os.Exit(2) })
	http.HandleFunc("/fault/recovered-panic", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	http.HandleFunc("/fault/leak", func(w http.ResponseWriter, r *http.Request) {
		var mb int
		_, _ = fmt.Sscan(r.FormValue("mb"), &mb)
		for range mb {
			b := make([]byte, 1<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			kept = append(kept, b)
		}
	})
	panic(http.ListenAndServe(addr, nil))
}

// The fault hits real processes, and the lost clients are those connected to them.
func TestFaultsHitWhatTheyAreMeantTo(t *testing.T) {
	needsLinux(t)
	t.Parallel()
	server := serverOf(t)
	const clients = 8
	config := fmt.Sprintf(`
models: [prefork, thread, faulty]
commands:
  faulty:
    run: [%q, faulty, "{addr}"]
    protocols: [http]
workloads: [{protocol: http, workload: plaintext}]
clients: [%d]
warmup: 0
duration: 2s
repeats: 1
experiments:
  - {name: kill, models: [prefork, thread], fault: {kind: kill, at: 500ms}}
  - {name: stop, models: [thread], duration: 4s, fault: {kind: stop, at: 500ms, until: 3s}} # long, as a busy machine stops threads late
  - {name: panic, models: [faulty], fault: {kind: panic, at: 500ms}}
  - {name: recovered-panic, models: [faulty], fault: {kind: recovered-panic, at: 500ms}}
  - {name: leak, models: [faulty], fault: {kind: leak, at: 500ms, mb: 200, limit_mb: 50}}
`, os.Args[0], clients)
	results := t.TempDir()
	_, log, code := tierbench(t.Context(), "run", writeConfig(t, config), "--server", server, "--results", results)
	if code == exitUsage {
		t.Fatalf("exit code %d\n%s", code, log)
	}
	set, err := result.Load(filepath.Join(results, "latest"))
	if err != nil || len(set.Repeats) != 6 {
		t.Fatalf("%d repeats, err %v\n%s", len(set.Repeats), err, log)
	}
	for _, r := range set.Repeats {
		f := r.Fault
		if f == nil || r.Failure != "" || r.Gates.Verdict == result.Invalid || f.Open != clients || len(f.RPS) == 0 || f.Before == 0 || f.AtSec < 0.5 {
			t.Fatalf("%v: failure %q, gates %+v, warnings %q, fault %+v", r.Key, r.Failure, r.Gates, r.Warnings, f)
		}
		dies := r.Model != "prefork" && f.Kind != plan.Stop && f.Kind != plan.RecoveredPanic
		switch {
		case f.Lived == dies:
			t.Errorf("%v: %+v", r.Key, f)
		case dies && len(r.Warnings) != 0:
			t.Errorf("%v: that it ended as it was made to is no breach of the contract: %q", r.Key, r.Warnings)
		case dies && (f.Lost != clients || f.Hit != clients || f.Workers != 1 || f.Exits != 1):
			t.Errorf("%v: all are lost: %+v", r.Key, f)
		// A leak takes a while, longer on a busy machine.
		case dies && f.Kind != plan.Leak && (f.RPS[len(f.RPS)-1] != 0 || f.RecoverySec >= 0):
			t.Errorf("%v: nobody comes back: %+v", r.Key, f)
		case f.Kind == plan.RecoveredPanic && (f.Lost != 0 || f.Failed != 0 || f.Exits != 0 || f.Hit != clients):
			t.Errorf("%v: nobody is lost: %+v", r.Key, f)
		case f.Kind == plan.Stop && (f.Lost != clients || f.Failed != 0 || f.Hit != clients || f.Exits != 0 || f.EndSec < 3 || f.Low != 0):
			t.Errorf("%v: all are held: %+v", r.Key, f)
		case r.Model == "prefork" && (f.Lost != f.Hit || f.Hit == 0 || f.Exits != 1 || f.After == 0):
			t.Errorf("%v: what one worker held is lost, and nothing else: %+v", r.Key, f)
		}
	}
	if left := children(t, server); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
