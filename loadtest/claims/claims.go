// Package claims is the ledger: what a well-known comparison of processes, threads and
// asynchronous programming claims, how each claim is decided, and the verdict by the record
// of a run. A claim is data with a pure function from records to verdicts. The rules are
// fixed before a run, and the record contains their version.
//
// The claims are about Python. Each language therefore has its own verdict: Go by the models
// of this project, CPython by servers of its standard library.
package claims

// RulesVersion goes up whenever a rule or the kind of its intervals changes, so that two
// ledgers of one version were decided alike. A change of the intervals alone counts after the
// point: 2.1 has the rules of 2, but uses the exact interval of a median instead of a
// bootstrap.
const RulesVersion = "2.1"

// A Word is the outcome of a verdict.
type Word string

// Words of verdicts.
const (
	Supported Word = "supported"
	Refuted   Word = "refuted"
	// Depends needs a reason: on what, with the number.
	Depends Word = "depends"
	// Undecidable needs a reason: what is missing.
	Undecidable Word = "undecidable here"
)

// Languages with verdicts.
const (
	Go      = "Go"
	CPython = "CPython"
)

// Languages lists them in the order in which they are shown.
var Languages = []string{Go, CPython}

// Columns of the document's table.
const (
	Processes = "multiple processes"
	Threads   = "multiple threads"
	Async     = "asynchronous programming"
)

// Columns lists them in the order of the table.
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
	// Says is the text in each column of the document's table; nil for a remark.
	Says map[string]string `json:"says,omitempty"`
	// Definition says how we understand the words.
	Definition string `json:"definition"`
	// Experiment names the experiments of the config, and what they measure.
	Experiment string `json:"experiment"`
	Metric     string `json:"metric"`
	// Lesson explains the reason to a newcomer. It is about how the models work, and true
	// whatever was measured.
	Lesson string `json:"lesson"`
	Rule   Rule   `json:"rule"`
	// Charts are the names of the charts that show the claim's cells; none if it uses only
	// trials.
	Charts []string `json:"-"`

	decide func(*evidence) []Verdict
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
