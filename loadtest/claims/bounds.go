package claims

import (
	"github.com/tierbench/tierbench/loadtest/stats"
)

// below is Met if the whole interval is under the bound, Missed if all of it is at
// or above.
func below(e stats.Estimate, bound float64) stats.Outcome { return e.AtLeast(bound).Not() }

// above is Met if the whole interval is over the bound, Missed if all of it is at or
// under.
func above(e stats.Estimate, bound float64) stats.Outcome { return e.AtMost(bound).Not() }

// leads is Met if a ratio is above 1 by its whole interval and no tie, Missed if all of
// it is at or below 1.
func leads(ratio stats.Estimate) stats.Outcome {
	o := above(ratio, 1)
	if o == stats.Met && !stats.Unlike(ratio) {
		return stats.Undecided
	}
	return o
}

// both is Met if both are, Missed if one is, else Undecided.
func both(a, b stats.Outcome) stats.Outcome {
	switch {
	case a == stats.Missed || b == stats.Missed:
		return stats.Missed
	case a == stats.Met && b == stats.Met:
		return stats.Met
	}
	return stats.Undecided
}
