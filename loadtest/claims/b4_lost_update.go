package claims

import (
	"fmt"
	"math"

	"github.com/tierbench/tierbench/loadtest/stats"
)

// lostTrial is the trial of B4.
const lostTrial = "lost-update"

var lostUpdate = &Claim{
	ID: "B4", Title: "Unsynchronised updates lose; a lock guards the critical section",
	Quote:      "a lock is a synchronization mechanism for enforcing access to sensitive/critical areas of program code",
	Definition: "Two threads add 1 and subtract 2, M times each, reading and writing apart: without a lock the result is not −M.",
	Experiment: "B4: the trials lost-update and python-lost-update, unlocked and locked; the accesses are atomic, so that nothing is undefined",
	Metric:     "error of the result as a fraction of M",
	Lesson:     "x+1 is a read, an addition and a write. If another thread writes between the read and the write, its update is lost. A lock makes the three one step, as no other thread gets in between. The interpreter lock does not: it can pass to another thread between the three steps.",
	Rule:       Rule{"1", "Supported if result ≠ −M without the lock in ≥ 1 of 10 trials, and = −M in all with it."},
	decide: func(e *evidence) []Verdict {
		var out []Verdict
		for _, language := range Languages {
			out = append(out, judge(subject{language: language}, "the lock", e.off(language, "unlocked"), e.off(language, "locked")))
		}
		return out
	},
}

// off returns a point about how far off the results of a variant's trials are.
func (e *evidence) off(language, variant string) point {
	name := trialOf(language, lostTrial)
	p := point{at: variant, trials: []string{name + " " + variant}}
	want, got := e.trialValues(name, variant, "want"), e.trialValues(name, variant, "got")
	if len(want) != len(got) || len(want) < leastTrials {
		p.missing = e.lackTrials(name, variant, min(len(want), len(got)), leastTrials)
		return p
	}
	wrong := 0
	by := make([]float64, len(want))
	for i := range want {
		if want[i] != got[i] {
			wrong++
		}
		by[i] = math.Abs(got[i]-want[i]) / math.Max(1, math.Abs(want[i]))
	}
	p.effects = []Effect{{What: fmt.Sprintf("%s: error as a fraction of M; %d of %d trials are off", variant, wrong, len(want)), Estimate: stats.MedianOf(by), Bound: map[string]string{"unlocked": "> 0 in one", "locked": "0 in all"}[variant]}}
	if p.outcome = stats.Missed; (wrong > 0) == (variant == "unlocked") {
		p.outcome = stats.Met
	}
	return p
}
