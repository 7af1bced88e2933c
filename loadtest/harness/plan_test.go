package harness

import (
	"strings"
	"testing"
	"time"

	"github.com/tierbench/tierbench/loadtest/host"
	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/result"
)

func TestLimit(t *testing.T) {
	limit := limitOf(host.Capacity{Cores: 2, NoFile: 1256, FileMax: 20_000, MemAvailable: -1})
	if limit.Clients != 10_000 {
		t.Errorf("the machine can hold %d", limit.Clients)
	}
	core := result.Info{Name: "m", Processes: result.PerCore}
	for _, tt := range []struct {
		reason string
		model  result.Info
		e      plan.Experiment
		want   int64
	}{
		{"one process", result.Info{Processes: 1}, plan.Experiment{}, 1000},
		{"a process for each of two cores", core, plan.Experiment{}, 1900},
		{"three workers", core, plan.Experiment{ServerArgs: []string{"--workers", "3"}}, 2850},
		{"three workers, written as one", core, plan.Experiment{ServerArgs: []string{"--x", "--workers=3"}}, 2850},
		{"bound to one CPU", core, plan.Experiment{CPUs: plan.CPUs{Server: "0"}}, 1000},
		{"a box of one CPU", core, plan.Experiment{Box: result.Limits{CPUs: 1}}, 1000},
		{"more workers than the machine has files for", core, plan.Experiment{ServerArgs: []string{"--workers", "30"}}, 10_000},
		{"a server that does not say", result.Info{}, plan.Experiment{}, 10_000},
		{"a generator of one process", result.Info{}, plan.Experiment{Generators: []string{plan.Vegeta, plan.Wrk}}, 1000},
	} {
		if got, why := limit.Of(tt.model, &tt.e); got != tt.want || !strings.Contains(why, "see tierbench doctor") {
			t.Errorf("%s: %d (%s), want %d", tt.reason, got, why, tt.want)
		}
	}
}

// TestSearchDefaultEnd plans the default end of a search, which must not be reported as a
// mistake of the user.
func TestSearchDefaultEnd(t *testing.T) {
	models := []result.Info{{Name: "one", Processes: 1}, {Name: "several"}}
	limit := limitOf(host.Capacity{Cores: 2, NoFile: 1256, FileMax: 20_000, MemAvailable: -1})
	for _, name := range []string{"one", "several"} {
		s := &Search{Harness: &Harness{Models: models}, Model: name, Protocol: "http", Warmup: time.Second, Duration: time.Second}
		if _, err := s.plan([]level{{float64(s.most(limit)), 1}}, limit); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
