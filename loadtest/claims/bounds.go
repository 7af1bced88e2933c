package claims

import (
	"github.com/tierbench/tierbench/loadtest/stats"
)

// below is 1 if the whole interval is under the bound, -1 if all of it is at
// or above, else 0.
func below(e stats.Estimate, bound float64) int { return -e.AtLeast(bound) }

// above is 1 if the whole interval is over the bound, -1 if all of it is at or
// under, else 0.
func above(e stats.Estimate, bound float64) int { return -e.AtMost(bound) }

// leads is 1 if a ratio is above 1 by its whole interval and no tie, -1 if all of
// it is at or below 1, else 0.
func leads(ratio stats.Estimate) int {
	h := above(ratio, 1)
	if h > 0 && !stats.Unlike(ratio) {
		return 0
	}
	return h
}

// both is 1 if both are, -1 if one is, else 0.
func both(a, b int) int {
	switch {
	case a < 0 || b < 0:
		return -1
	case a > 0 && b > 0:
		return 1
	}
	return 0
}
