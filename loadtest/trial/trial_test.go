package trial

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/result"
)

const config = `
models: [m]
workloads: [{protocol: echo, workload: echo}]
clients: [1]
duration: 1s
trials: [{name: increment, variants: [mutex, atomic], repeats: 2}]
`

type fixture struct {
	Runner
	saved  []result.Trial
	events []Event
}

func setUp(t *testing.T) *fixture {
	t.Helper()
	cfg, err := plan.Parse("c.yaml", []byte(config))
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Make(cfg, []result.Info{{Name: "m"}}, plan.Limit{Clients: 1e6})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{}
	f.Runner = Runner{
		RunID: "id", Plan: p,
		Try: func(_ context.Context, s plan.TrialStep) (map[string]float64, error) {
			return map[string]float64{"increment_sec": float64(s.Repeat)}, nil
		},
		Save:  func(r *result.Trial) error { f.saved = append(f.saved, *r); return nil },
		Watch: func(ev Event) { f.events = append(f.events, ev) },
	}
	return f
}

func TestTrialsAreSaved(t *testing.T) {
	f := setUp(t)
	if err := f.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(f.saved) != 4 || len(f.events) != 4 || f.events[3].N != 4 || f.events[3].Total != 4 || f.events[3].Left != 0 {
		t.Fatalf("saved %+v, told of %+v", f.saved, f.events)
	}
	for _, r := range f.saved {
		if r.Run != "id" || r.Name != "increment" || r.Values["increment_sec"] != float64(r.Repeat) || r.Started.IsZero() || r.Failure != "" {
			t.Errorf("%+v", r)
		}
	}
}

func TestATrialThatFailsIsKeptAndTheOthersGoOn(t *testing.T) {
	f := setUp(t)
	f.Try = func(_ context.Context, s plan.TrialStep) (map[string]float64, error) {
		if s.Variant == "mutex" {
			return map[string]float64{"half": 1}, errors.New("boom")
		}
		return map[string]float64{"x": 1}, nil
	}
	if err := f.Run(t.Context()); err != nil || len(f.saved) != 4 {
		t.Fatalf("err %v, saved %+v", err, f.saved)
	}
	for _, r := range f.saved {
		if failed := r.Failure == "boom"; failed != (r.Variant == "mutex") || failed == (r.Values != nil) {
			t.Errorf("%+v", r)
		}
	}
}

func TestTrialsGoOnWhereTheyWereInterrupted(t *testing.T) {
	f := setUp(t)
	ctx, cancel := context.WithCancel(t.Context())
	try := f.Try
	f.Try = func(ctx context.Context, s plan.TrialStep) (map[string]float64, error) {
		if len(f.saved) == 2 {
			cancel()
			return nil, ctx.Err()
		}
		return try(ctx, s)
	}
	if err := f.Run(ctx); !errors.Is(err, context.Canceled) || len(f.saved) != 2 {
		t.Fatalf("err %v, saved %+v", err, f.saved)
	}
	f.Try, f.Earlier, f.events = try, slices.Clone(f.saved), nil
	if err := f.Run(t.Context()); err != nil || len(f.saved) != 4 || f.events[0].N != 3 {
		t.Errorf("err %v, saved %+v, told of %+v", err, f.saved, f.events)
	}
}

func TestATrialThatCannotBeSavedEndsThem(t *testing.T) {
	f := setUp(t)
	full := errors.New("disk full")
	f.Save = func(*result.Trial) error { return full }
	if err := f.Run(t.Context()); !errors.Is(err, full) {
		t.Errorf("err %v", err)
	}
}
