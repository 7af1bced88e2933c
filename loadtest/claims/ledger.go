package claims

import (
	"slices"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// A Ledger is every claim with its verdicts.
type Ledger struct {
	Run          string        `json:"run"`
	RulesVersion string        `json:"rules_version"`
	RunRules     string        `json:"run_rules_version,omitempty"` // when the run began
	Host         result.Host   `json:"host"`
	Noise        []stats.Noise `json:"noise"` // of comparisons, by metric
	Claims       []*Claim      `json:"claims"`
	// Verdicts are in the order of the claims; for one claim and language, those of
	// the columns come first, then those of the models.
	Verdicts []Verdict `json:"verdicts"`
	// Models are the models of the run.
	Models []result.Info `json:"-"`
}

// Evaluate decides every claim by the record of a run.
func Evaluate(set *result.Set) *Ledger { return evaluate(newEvidence(set), All) }

func evaluate(e *evidence, of []*Claim) *Ledger {
	l := &Ledger{Run: e.set.Run.ID, RulesVersion: RulesVersion, RunRules: e.set.Run.ClaimRules, Host: e.set.Run.Host, Claims: of, Models: e.set.Run.Models}
	for _, m := range []stats.Metric{stats.Throughput, stats.P99, stats.CPU} {
		l.Noise = append(l.Noise, stats.NoiseFloor(e.cells, m))
	}
	e.askAA()
	for _, c := range of {
		vs := c.decide(e)
		for i := range vs {
			e.finish(c, &vs[i])
		}
		l.Verdicts = append(l.Verdicts, vs...)
	}
	return l
}

// Of returns the verdict on a claim for a language, a column and a subject, as in
// Verdict; nil if there is none.
func (l *Ledger) Of(id, language, column, subject string) *Verdict {
	for i := range l.Verdicts {
		if v := &l.Verdicts[i]; v.Claim == id && v.Language == language && v.Column == column && v.Subject == subject {
			return v
		}
	}
	return nil
}

// Cells returns all cells that the verdicts on a claim use.
func (l *Ledger) Cells(c *Claim) []result.Key {
	var out []result.Key
	for i := range l.Verdicts {
		if v := &l.Verdicts[i]; v.Claim == c.ID {
			out = append(out, v.Cells...)
		}
	}
	return out
}

// finish fills in what all verdicts have in common. A verdict without an interval
// becomes Undecidable.
func (e *evidence) finish(c *Claim, v *Verdict) {
	v.Claim, v.Rule = c.ID, c.ID+" version "+c.Rule.Version
	v.Repeats = 0
	for i, f := range v.Effects {
		if f.Bound == "" {
			continue
		}
		if n := f.repeats(); v.Repeats == 0 || n < v.Repeats {
			v.Repeats = n
		}
		if i == 0 && !f.Known() && v.Word != Undecidable {
			v.Word, v.Why = Undecidable, "there is no interval: that needs two repeats that count. "+v.Why
		}
	}
	if len(v.Effects) == 0 && v.Word != Undecidable {
		v.Word, v.Why = Undecidable, "nothing was measured. "+v.Why
	}
	var unique []result.Key
	v.Made = 0
	for _, k := range v.Cells {
		if slices.Contains(unique, k) {
			continue
		}
		unique = append(unique, k)
		if cell := e.by[k]; cell != nil {
			v.Suspect = v.Suspect || cell.Verdict() == result.Suspect
			if n := len(cell.Repeats); v.Made == 0 || n < v.Made {
				v.Made = n
			}
		}
	}
	v.Cells = unique
	if v.Made == 0 { // it uses only trials
		v.Made = v.Repeats
	}
}
