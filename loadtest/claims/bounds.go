package claims

import (
	"github.com/tierbench/tierbench/loadtest/stats"
)

// below returns Met if the whole interval is below the bound, and Missed if all of it is at or
// above.
func below(e stats.Estimate, bound float64) stats.Outcome { return e.AtLeast(bound).Not() }

// above returns Met if the whole interval is above the bound, and Missed if all of it is at or
// below.
func above(e stats.Estimate, bound float64) stats.Outcome { return e.AtMost(bound).Not() }

// leads returns Met if the whole interval of a ratio is above 1 and it is not a tie, and Missed
// if all of the interval is at or below 1.
func leads(ratio stats.Estimate) stats.Outcome {
	o := above(ratio, 1)
	if o == stats.Met && !stats.Unlike(ratio) {
		return stats.Undecided
	}
	return o
}

// both returns Met if both are, Missed if one is, and else Undecided.
func both(a, b stats.Outcome) stats.Outcome {
	switch {
	case a == stats.Missed || b == stats.Missed:
		return stats.Missed
	case a == stats.Met && b == stats.Met:
		return stats.Met
	}
	return stats.Undecided
}
