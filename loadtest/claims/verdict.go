package claims

import (
	"encoding/json"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// An Effect is a number that supports a verdict, with its interval.
type Effect struct {
	What string     `json:"what"`
	Unit stats.Unit `json:"unit,omitempty"`
	stats.Estimate
	// Bound is what the rule compares it with, as text; "" if it is only shown.
	Bound string `json:"bound,omitempty"`

	// outcome says by the whole interval whether the bound is met. It is not set
	// where one effect makes a point.
	outcome stats.Outcome
	// each is the least number of repeats of the points of a line; 0 where N counts
	// repeats.
	each int
}

// repeats returns the least number of repeats behind the effect.
func (f *Effect) repeats() int {
	if f.each > 0 {
		return f.each
	}
	return f.N
}

// MarshalJSON writes the estimate as a field of its own: embedded, its MarshalJSON
// would be the effect's.
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

// Cells are the cells that a verdict uses. In JSON they are labels.
type Cells []result.Key

// MarshalJSON writes a list of result.Labels.
func (c Cells) MarshalJSON() ([]byte, error) {
	labels := make([]result.Labels, len(c))
	for i, k := range c {
		labels[i] = k.Labels()
	}
	return json.Marshal(labels)
}

// A Verdict is a claim decided for a language: for the whole of it, for a
// column of the table, or for a single model.
type Verdict struct {
	Claim    string `json:"claim"`
	Language string `json:"language"`
	Column   string `json:"column,omitempty"` // of the table; empty outside it
	// Subject is the model or whatever else the verdict is about; empty for the
	// language or the column as a whole.
	Subject string `json:"subject,omitempty"`
	aside   bool   // the subject is neither a column nor a model
	Word    Word   `json:"verdict"`
	// Why is a sentence: what it depends on, what is missing, what was seen.
	Why string `json:"why,omitempty"`
	// Effects are the numbers; the first is the one to show. A verdict other
	// than Undecidable has at least one, with an interval.
	Effects []Effect `json:"effects,omitempty"`
	// Notes are further numbers, which decide nothing.
	Notes []string `json:"notes,omitempty"`
	Cells Cells    `json:"cells,omitempty"`
	// Trials are the trials that it uses, by name and variant.
	Trials []string `json:"trials,omitempty"`
	// Repeats is the least number of repeats that count for an effect, Made the
	// least number that were made of a cell, whether they count or not.
	Repeats int `json:"repeats"`
	Made    int `json:"made"`
	// Partial says that a part of the experiment was not measured.
	Partial bool `json:"partial,omitempty"`
	// Suspect says that it uses a suspect cell.
	Suspect bool   `json:"suspect,omitempty"`
	Rule    string `json:"rule"` // claim and version
}
