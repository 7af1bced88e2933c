// Package claims is the ledger: what a well-known comparison of processes,
// threads and asynchronous programming claims, how each claim is decided, and
// what the record of a run says to it. A claim is data with a pure function from
// records to verdicts. The rules are fixed before the measuring, and their version
// is kept in the record.
//
// The claims were made of Python. A verdict is therefore given for each language
// by itself: Go, by the models of this project, and CPython, by servers of its
// standard library.
package claims

import (
	"encoding/json"
	"slices"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// RulesVersion goes up whenever a rule is changed, so that two ledgers of one
// version were decided alike.
const RulesVersion = "2"

// A Word is how a verdict ends.
type Word string

// Words of verdicts.
const (
	Supported Word = "supported"
	Refuted   Word = "refuted"
	// Depends says on what, with the number.
	Depends Word = "depends"
	// Undecidable says what is missing.
	Undecidable Word = "undecidable here"
)

// Languages that have verdicts.
const (
	Go      = "Go"
	CPython = "CPython"
)

// Languages are all, in the order they are shown.
var Languages = []string{Go, CPython}

// Columns of the document's table.
const (
	Processes = "multiple processes"
	Threads   = "multiple threads"
	Async     = "asynchronous programming"
)

// Columns are all, in the order of the table.
var Columns = []string{Processes, Threads, Async}

// A Rule is how a claim is decided.
type Rule struct {
	Version string `json:"version"`
	Text    string `json:"text"`
}

// A Claim is one entry of the ledger.
type Claim struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	Quote string `json:"quote"` // the document's own words
	// Says is the word in each column of the document's table; nil for a remark.
	Says map[string]string `json:"says,omitempty"`
	// Definition says what the words are taken to mean.
	Definition string `json:"definition"`
	// Experiment names the experiments of the config, and what they measure.
	Experiment string `json:"experiment"`
	Metric     string `json:"metric"`
	// Lesson says why it comes out as it does, to somebody who is new to it. It is
	// about how the models work, and holds whatever was measured.
	Lesson string `json:"lesson"`
	Rule   Rule   `json:"rule"`
	// Charts are the names of those that show it, of the cells it rests on; none
	// where it rests on trials.
	Charts []string `json:"-"`

	decide func(*evidence) []Verdict
}

// An Effect is a number that a verdict rests on, with its interval.
type Effect struct {
	What string     `json:"what"`
	Unit stats.Unit `json:"unit,omitempty"`
	stats.Estimate
	// Bound is what the rule compares it with, as text; empty for one that is
	// only shown.
	Bound string `json:"bound,omitempty"`

	// holds is 1 if the whole interval meets the bound, -1 if it misses it, 0 if
	// it holds it. It is not set where one effect makes a point.
	holds int
	// each is the least number of repeats behind each point of a line; 0: N is of
	// repeats.
	each int
}

// repeats is how many repeats there are at least.
func (f *Effect) repeats() int {
	if f.each > 0 {
		return f.each
	}
	return f.N
}

// MarshalJSON writes the estimate's fields beside the others.
func (f Effect) MarshalJSON() ([]byte, error) {
	e, err := json.Marshal(f.Estimate)
	if err != nil {
		return nil, err
	}
	type plain struct {
		What     string          `json:"what"`
		Unit     stats.Unit      `json:"unit,omitempty"`
		Bound    string          `json:"bound,omitempty"`
		Estimate json.RawMessage `json:"estimate"`
	}
	return json.Marshal(plain{f.What, f.Unit, f.Bound, e})
}

// A Verdict is a claim decided for a language: for the whole of it, for a
// column of the table, or for a single model.
type Verdict struct {
	Claim    string `json:"claim"`
	Language string `json:"language"`
	Column   string `json:"column,omitempty"` // of the table; empty outside it
	// Subject is the model, or what else of the language the verdict is about;
	// empty for the language or the column as a whole.
	Subject string `json:"subject,omitempty"`
	Word    Word   `json:"verdict"`
	// Why is a sentence: what it depends on, what is missing, what was seen.
	Why string `json:"why,omitempty"`
	// Effects are the numbers; the first is the one to show. A verdict other
	// than Undecidable has at least one, with an interval.
	Effects []Effect `json:"effects,omitempty"`
	// Notes are other numbers that stand beside the claim.
	Notes []string     `json:"notes,omitempty"`
	Cells []result.Key `json:"cells,omitempty"`
	// Trials that it rests on, by name and variant.
	Trials []string `json:"trials,omitempty"`
	// Repeats is the least number of repeats behind an effect, which count, and
	// Made that of those of a cell that were made, whether they count or not.
	Repeats int `json:"repeats"`
	Made    int `json:"made"`
	// Partial says that not all that the experiment asks for was measured.
	Partial bool `json:"partial,omitempty"`
	// Suspect says that a repeat behind it is.
	Suspect bool   `json:"suspect,omitempty"`
	Rule    string `json:"rule"` // claim and version
}

// A Ledger is every claim with its verdicts.
type Ledger struct {
	Run          string        `json:"run"`
	RulesVersion string        `json:"rules_version"`
	RunRules     string        `json:"run_rules_version,omitempty"` // when the run began
	Host         result.Host   `json:"host"`
	Noise        []NoiseMetric `json:"noise"` // of comparisons, by metric
	Claims       []*Claim      `json:"claims"`
	// Verdicts are in the order of the claims; of one claim and language those of the
	// columns come first, then those of the models.
	Verdicts []Verdict `json:"verdicts"`
	// Models are those of the run.
	Models []result.Info `json:"-"`
}

// A NoiseMetric is the noise floor of one metric.
type NoiseMetric struct {
	Metric string `json:"metric"`
	stats.Noise
}

// All are the claims, in the order of the document.
var All = []*Claim{waiting, cores, scale, blocking, lock, combine, memory, replacement, lockFree, money, illusion, parallel,
	isolation, channels, sharedSpace, lostUpdate, messages, ownMemory}

// Find returns the claim of an id.
func Find(id string) (*Claim, bool) {
	for _, c := range All {
		if c.ID == id {
			return c, true
		}
	}
	return nil, false
}

// Evaluate decides every claim by the records of a run.
func Evaluate(set *result.Set) *Ledger { return evaluate(newEvidence(set), All) }

func evaluate(e *evidence, of []*Claim) *Ledger {
	l := &Ledger{Run: e.set.Run.ID, RulesVersion: RulesVersion, RunRules: e.set.Run.ClaimRules, Host: e.set.Run.Host, Claims: of, Models: e.set.Run.Models}
	for _, m := range []stats.Metric{stats.Throughput, stats.P99, stats.CPU} {
		l.Noise = append(l.Noise, NoiseMetric{m.Name, stats.NoiseFloor(e.cells, m)})
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

// Of are the verdicts of a claim and a language; column and subject are as in
// Verdict.
func (l *Ledger) Of(id, language, column, subject string) *Verdict {
	for i := range l.Verdicts {
		if v := &l.Verdicts[i]; v.Claim == id && v.Language == language && v.Column == column && v.Subject == subject {
			return v
		}
	}
	return nil
}

// Cells are all that the verdicts of a claim rest on.
func (l *Ledger) Cells(c *Claim) []result.Key {
	var out []result.Key
	for i := range l.Verdicts {
		if v := &l.Verdicts[i]; v.Claim == c.ID {
			out = append(out, v.Cells...)
		}
	}
	return out
}

// finish fills in what all verdicts have, and takes the word back from one
// that has no interval.
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
			v.Word, v.Why = Undecidable, "there is no interval: it takes two repeats that count. "+v.Why
		}
	}
	if len(v.Effects) == 0 && v.Word != Undecidable {
		v.Word, v.Why = Undecidable, "nothing was measured of it. "+v.Why
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
	if v.Made == 0 { // it rests on trials
		v.Made = v.Repeats
	}
}
