package claims

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/result"
)

// models are those of bin/server that the configs may name.
var models = []string{"prefork", "thread", "eventloop", "goroutine", "sequential", "process", "multiloop", "prefork-eventloop", "prefork-thread", "prefork-sequential"}

func planned(t *testing.T, name string) *plan.Plan {
	t.Helper()
	cfg, err := plan.Read(filepath.Join("..", "..", "configs", name))
	if err != nil {
		t.Fatal(err)
	}
	var builtin []result.Info
	for _, m := range models {
		builtin = append(builtin, result.Info{Name: m, Doc: m, ClosesEach: strings.HasSuffix(m, "sequential")})
	}
	p, err := plan.Make(cfg, builtin, plan.Limit{Clients: 19_000, Why: "descriptors"})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// measured is a record in which every cell of a plan has a repeat.
func measured(p *plan.Plan) *evidence {
	r := newRecord()
	for _, k := range p.Keys() {
		r.cell(k, 1, func(rep *result.Repeat, _ float64) {
			if k.Loop == result.Open {
				rep.Response = &rep.Service
			}
		})
	}
	e := newEvidence(&r.set)
	evaluate(e, All)
	return e
}

// The config measures every cell that a claim looks up, and no other.
func TestConfigMeasuresWhatIsAsked(t *testing.T) {
	p := planned(t, "claims.yaml")
	e := measured(p)
	keys := p.Keys()
	// A thousand processes in Go take half a minute to start on some machines, and as
	// long to end: the claim is decided in part, without them.
	var left []result.Key
	left = append(left, result.Key{Model: "process", Protocol: "http", Workload: "wait-50ms", Clients: 1000, Loop: result.Closed})
	for _, k := range left {
		if !e.asked[k] || slices.Contains(keys, k) {
			t.Errorf("%v needs no exception", k)
		}
	}
	for k := range e.asked {
		if !slices.Contains(keys, k) && !slices.Contains(left, k) {
			t.Errorf("not in the config: %v", k)
		}
	}
	for _, k := range keys {
		if !e.asked[k] {
			t.Errorf("no claim asks for %v", k)
		}
	}
	for _, c := range All {
		named := func(x *plan.Experiment) bool {
			return strings.HasPrefix(x.Name+" ", c.ID+" ")
		}
		if !strings.HasPrefix(c.Experiment, c.ID) {
			continue // it is decided by the experiment of another
		}
		if !slices.ContainsFunc(p.Config.Experiments, named) && !slices.Contains([]string{"B4", "B5"}, c.ID) {
			t.Errorf("%s has no experiment of its name", c.ID)
		}
	}
}

// The quick one may measure less, but nothing that is of no use.
func TestQuickConfigMeasuresNothingElse(t *testing.T) {
	full := planned(t, "claims.yaml").Keys()
	p := planned(t, "claims-quick.yaml")
	e := measured(p)
	for _, k := range p.Keys() {
		if !e.asked[k] {
			t.Errorf("no claim asks for %v", k)
		}
		if !slices.Contains(full, k) {
			t.Errorf("the whole config does not measure %v", k)
		}
	}
}

// seconds is what a plan takes: each step's estimate, and what starting and
// stopping a server takes beyond that.
func seconds(p *plan.Plan) float64 {
	var sum time.Duration
	for _, s := range p.Steps() {
		sum += s.Estimate() + 200*time.Millisecond
	}
	return sum.Seconds()
}

func TestBudgets(t *testing.T) {
	for name, minutes := range map[string]float64{"claims.yaml": 29, "claims-quick.yaml": 4.7} { // the rest is for the trials
		if took := seconds(planned(t, name)) / 60; took > minutes {
			t.Errorf("%s takes %.1f minutes of the %.1f it has", name, took, minutes)
		} else {
			t.Logf("%s: %.1f minutes", name, took)
		}
	}
}

// Every cell that a verdict may rest on has an interval: two repeats at least.
// No verdict depends on how many connections were held.
func TestEachCellIsRepeated(t *testing.T) {
	for _, name := range []string{"claims.yaml", "claims-quick.yaml"} {
		for _, x := range planned(t, name).Config.Experiments {
			if x.Repeats < 2 && result.ParseSetting(x.Setting) != heldOnly {
				t.Errorf("%s: %s has %d repeats", name, x.Name, x.Repeats)
			}
		}
	}
}

// Apart from cells the claims look up trials: the config makes them.
func TestConfigMakesTheTrials(t *testing.T) {
	want := map[string][]string{
		"lost-update": {"locked", "unlocked"}, "python-lost-update": {"locked", "unlocked"},
		"increment": {"atomic", "flock", "mutex", "owner", "pipe", "shm"}, "python-increment": {"flock", "mutex", "owner", "pipe", "shm"},
		"start": {"goroutine", "process", "reuse", "thread"}, "python-start": {"process", "task", "thread"},
	}
	got := map[string][]string{}
	for _, tr := range planned(t, "claims.yaml").Config.Trials {
		got[tr.Name] = slices.Sorted(slices.Values(tr.Variants))
		if tr.Repeats < leastTrials {
			t.Errorf("%s has %d repeats, of %d", tr.Name, tr.Repeats, leastTrials)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
