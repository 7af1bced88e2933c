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

// RulesVersion goes up whenever a rule is changed, or the intervals that rules are
// decided by, so that two ledgers of one version were decided alike. A change of the
// intervals alone counts after the point: 2.1 has the rules of 2, and takes the exact
// interval of a median where 2 took a bootstrap.
const RulesVersion = "2.1"

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
	// Lesson explains to a newcomer why it comes out as it does. It is about how the
	// models work, and is true whatever was measured.
	Lesson string `json:"lesson"`
	Rule   Rule   `json:"rule"`
	// Charts are the names of those that show it, of the cells it rests on; none
	// where it rests on trials.
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
