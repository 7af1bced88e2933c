package result

import (
	"encoding/json"
	"path/filepath"
	"testing"
)

func TestReasonsOfOldRecords(t *testing.T) {
	for _, tt := range []struct {
		text string
		want Gate
	}{
		{"established connections: asked 11, found 10 (server, at the end)", GateEstablished},
		{"only 89 of the 90 idle connections still answered at the end", GateEstablished},
		{"errors: eof 1, timeout 2", GateErrors},
		{"measured 1.79 s of the 2 s asked", GateWindow},
		{"Little's law: throughput × mean service time is 95 clients, not 100 (-5.0 %)", GateLittlesLaw},
		{"no request was answered", GateLittlesLaw},
		{"1.685e+04 requests/s were answered of the 1.968e+04 asked (85.6 %); 3878 were due and not sent, as no client was free", GateRate},
		{"answered 4500 of the 5000 requests/s asked for (90.0 %); 3 due requests were not sent, because no client was free", GateRate},
		{"send lag: the generator itself sent up to 501 µs late (p99), beside a response time of 5 ms (p99)", GateSendLag},
		{"generator-bound: 5e+04 requests/s is 86 % of what the generator can do here (5.8e+04)", GateGeneratorBound},
		{"in the window: 3 connections dropped by a listener on this host", GateListenQueue},
		{"in the window: 4 SYN retransmits on this host", GateRetransmits},
		{"uneven service: Jain's index of the answers per client is 0.949", GateEvenService},
		{"not steady: throughput changed by +20 % ± 8 % over the window", GateSteady},
		{"the hypervisor took 1.2 % of the CPU time", GateStolenTime},
		{"the harness's own control group had used up its CPU quota: it was throttled for 500 ms of CPU time in a window of 2 s", GateThrottled},
		{"other processes used the CPUs, in cores: make 0.50", GateOtherProcesses},
		{"the server ended: signal: killed", GateFinished},
		{"something that nobody says today", GateOther},
	} {
		line, err := json.Marshal(map[string]any{"failure": "the server ended: signal: killed", "gates": map[string]any{"reasons": []string{tt.text}}})
		if err != nil {
			t.Fatal(err)
		}
		var r Repeat
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		if want := (Reason{tt.want, tt.text}); len(r.Gates.Reasons) != 1 || r.Gates.Reasons[0] != want {
			t.Errorf("got %+v, want %+v", r.Gates.Reasons, want)
		}
		// What is written now is read as it is.
		again, err := json.Marshal(&r)
		if err != nil {
			t.Fatal(err)
		}
		var back Repeat
		if err := json.Unmarshal(again, &back); err != nil || back.Gates.Reasons[0] != r.Gates.Reasons[0] {
			t.Errorf("%+v became %+v, %v", r.Gates.Reasons, back.Gates.Reasons, err)
		}
	}
}

func TestReasonsOfPublishedRunsAreKnown(t *testing.T) {
	runs, err := filepath.Glob("../../results/*/" + CellsFile)
	if err != nil || len(runs) == 0 {
		t.Fatalf("no published runs: %v", err)
	}
	n := 0
	for _, name := range runs {
		set, err := Load(filepath.Dir(name))
		if err != nil {
			t.Fatal(err)
		}
		for i := range set.Repeats {
			for _, r := range set.Repeats[i].Gates.Reasons {
				if n++; r.Gate == GateOther {
					t.Errorf("%s: no gate is known of %q", name, r.Text)
				}
			}
		}
	}
	if n == 0 {
		t.Error("no published run has a reason")
	}
}
