package stats

import (
	"strconv"
)

// A Bound is the least or the most that a metric may be. Objectives, ratios and searches
// have bounds.
type Bound struct {
	Metric Metric
	Limit  float64 // in the metric's base unit
	Least  bool    // the limit is the least that is allowed, else the most
}

// AtLeast returns a lower bound.
func AtLeast(m Metric, limit float64) Bound { return Bound{m, limit, true} }

// AtMost returns an upper bound.
func AtMost(m Metric, limit float64) Bound { return Bound{m, limit, false} }

// String returns the bound in the metric's unit: "≤ 50.0 ms".
func (b Bound) String() string {
	limit := b.Metric.Unit.Format(b.Limit)
	if b.Metric.Unit == Count {
		limit = strconv.FormatFloat(b.Limit, 'g', -1, 64)
	}
	if b.Least {
		return "≥ " + limit
	}
	return "≤ " + limit
}

// Met reports whether a value keeps the bound.
func (b Bound) Met(v float64) bool {
	if b.Least {
		return v >= b.Limit
	}
	return v <= b.Limit
}

// By returns how far a value is beyond the bound. It is negative if the value keeps the
// bound.
func (b Bound) By(v float64) float64 {
	if b.Least {
		return b.Limit - v
	}
	return v - b.Limit
}

// Whole decides by the whole interval: it is Undecided if that includes values
// that keep the bound and values that do not, or if there is none.
func (b Bound) Whole(e Estimate) Outcome {
	if e.N == 0 {
		return Unmeasured
	}
	return e.keeps(b)
}

// An Outcome says whether bounds are met.
type Outcome string

// Outcomes.
const (
	Unbounded  Outcome = "" // nothing was asked
	Met        Outcome = "met"
	Missed     Outcome = "missed"
	Undecided  Outcome = "undecided"
	Unmeasured Outcome = "not measured"
)

// Decided reports whether the bounds are known to be met or missed.
func (o Outcome) Decided() bool { return o == Met || o == Missed }

// Not returns the opposite outcome.
func (o Outcome) Not() Outcome {
	switch o {
	case Met:
		return Missed
	case Missed:
		return Met
	}
	return o
}

// A Judgement is what an estimate says of bounds.
type Judgement struct {
	// Outcome is that of the value: it is never Undecided.
	Outcome Outcome
	// By is how far the value is beyond the bound that it misses, in the metric's
	// unit: 0.03 when 0.92 was measured and 0.95 asked.
	By float64
	// Undecided says that the interval includes a bound: another run might have another
	// outcome.
	Undecided bool
}

// Judge decides by the value of e whether all bounds are met.
func Judge(e Estimate, bounds ...Bound) Judgement {
	if e.N == 0 {
		return Judgement{Outcome: Unmeasured}
	}
	var j Judgement
	for _, b := range bounds {
		switch {
		case !b.Met(e.Value):
			j.Outcome, j.By = Missed, b.By(e.Value)
		case j.Outcome == Unbounded:
			j.Outcome = Met
		}
		j.Undecided = j.Undecided || e.Known() && b.Whole(e) == Undecided
	}
	return j
}

// String returns the outcome, marked if the interval includes a bound: "missed, undecided".
func (j Judgement) String() string {
	if j.Undecided {
		return string(j.Outcome) + ", " + string(Undecided)
	}
	return string(j.Outcome)
}
