package trial

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

const trialEnv = "TRIAL_TEST" // name and variant, in a helper process that a test has started

func TestMain(m *testing.M) {
	if IsHelper() {
		name, variant, _ := strings.Cut(os.Getenv(trialEnv), " ")
		t, o, err := Find(name, Options{Variant: variant, Increments: increments})
		if err == nil {
			err = t.Help(o, os.Stdin, os.Stdout)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const increments = 1000

func TestIncrement(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, variant := range increment.Variants {
		t.Setenv(trialEnv, "increment "+variant)
		tr, o, err := Find("increment", Options{Variant: variant, Increments: increments, Participants: 3, Dir: t.TempDir(), Command: []string{exe}})
		if err != nil {
			t.Fatal(err)
		}
		r, err := tr.Run(t.Context(), o)
		if err != nil {
			t.Errorf("%s: %v", variant, err)
			continue
		}
		v := r.Values
		if r.Name != "increment" || r.Variant != variant || v["want"] != 3*increments || v["workers"] != 3 || v["increment_sec"] <= 0 || v["increments_per_sec"] <= 0 {
			t.Errorf("%s: %+v", variant, r)
		}
		if exact := v["exact"] == 1; exact != (v["got"] == v["want"]) || variant != "none" && !exact {
			t.Errorf("%s: exact %v, %v of %v", variant, v["exact"], v["got"], v["want"])
		}
	}
}

// A helper process that fails must not leave the others waiting.
func TestHelperFails(t *testing.T) {
	tr, o, err := Find("increment", Options{Variant: "shm", Increments: 1, Participants: 3, Dir: t.TempDir(), Command: []string{"/bin/sh", "-c", "exit 3"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tr.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "helper process") {
		t.Errorf("error %v, want one about a helper process", err)
	}
}

func TestStart(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, variant := range start.Variants {
		t.Setenv(trialEnv, "start "+variant)
		tr, o, err := Find("start", Options{Variant: variant, Increments: 3, Command: []string{exe}})
		if err != nil {
			t.Fatal(err)
		}
		r, err := tr.Run(t.Context(), o)
		if err != nil {
			t.Errorf("%s: %v", variant, err)
			continue
		}
		if v := r.Values; v["started"] != 3 || v["start_sec"] <= 0 || v["max_sec"] < v["start_sec"] {
			t.Errorf("%s: %+v", variant, r)
		}
	}
	_, o, _ := Find("start", Options{Variant: "process", Increments: 3, Command: []string{"/bin/sh", "-c", "exit 3"}})
	if _, err := start.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "helper process") {
		t.Errorf("error %v, want one about a helper process", err)
	}
}

func TestLostUpdate(t *testing.T) {
	run := func(variant string, increments int) map[string]float64 {
		t.Helper()
		tr, o, err := Find("lost-update", Options{Variant: variant, Increments: increments})
		if err != nil {
			t.Fatal(err)
		}
		r, err := tr.Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		return r.Values
	}
	if v := run("locked", 20_000); v["got"] != -20_000 || v["want"] != -20_000 || v["lost"] != 0 {
		t.Errorf("with the lock: %v", v)
	}
	// Two threads that run at the same time lose something sooner or later; how soon is the
	// machine's business.
	for try := 1; ; try++ {
		v := run("unlocked", 1_000_000)
		if v["lost"] != max(v["got"]-v["want"], v["want"]-v["got"]) {
			t.Fatalf("lost is not how far off it is: %v", v)
		}
		if v["lost"] > 0 {
			t.Logf("lost %v in trial %d", v["lost"], try)
			return
		}
		if t.Context().Err() != nil || try == 1000 {
			t.Fatal("nothing was ever lost without the lock")
		}
	}
}

func TestFindDefaults(t *testing.T) {
	for _, tr := range Trials {
		for _, variant := range append([]string{""}, tr.Variants...) {
			found, o, err := Find(tr.Name, Options{Variant: variant})
			if err != nil || found.Name != tr.Name || o.Increments < 1 || o.Participants < 1 || o.Variant == "" {
				t.Errorf("%s %q: %+v, %v", tr.Name, variant, o, err)
			}
		}
	}
}
