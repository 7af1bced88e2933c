// Package search finds the highest load at which a server keeps a promise: by
// doubling the load, by bisection, and by repeats that confirm both ends. It measures
// nothing itself: the caller measures a load and returns the outcome.
package search

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/tierbench/tierbench/loadtest/stats"
)

// A Sample is one measurement of a load: stats.Met if the promise was kept,
// stats.Missed if not. It is stats.Unmeasured where it says nothing about the server: the
// load was not what was asked for, or it was the generator that was late.
type Sample struct {
	Outcome stats.Outcome
	Why     string // it was missed, or cannot be used
}

// A Level is a load and all that was measured at it.
type Level struct {
	Load    float64
	Samples []Sample
}

// Count is how many of the level's samples ended so.
func (l *Level) Count(o stats.Outcome) (n int) {
	for _, s := range l.Samples {
		if s.Outcome == o {
			n++
		}
	}
	return n
}

// Why is the reason of the first sample that ended so.
func (l *Level) Why(o stats.Outcome) string {
	for _, s := range l.Samples {
		if s.Outcome == o {
			return s.Why
		}
	}
	return ""
}

// A Range is what is searched.
type Range struct {
	From, To float64 // the first and the largest load, both above 0
	Whole    bool    // loads are whole numbers
	// Within is how close the two ends of the answer come, as a part of the lower
	// one: 0.05 is 5 %. Loads between From and To are of three digits, so less than
	// 0.01 is not reached.
	Within float64
	// Confirm is how many usable samples the two ends have, and how many unusable
	// ones it takes to give a level up. More than half of a level's decide on it.
	Confirm int
	// Most is after how many samples the search gives up.
	Most int
}

// Mistake says what is wrong with the range, "" if nothing.
func (r Range) Mistake() string {
	switch {
	case !(r.From > 0):
		return fmt.Sprintf("--from %v; allowed: above 0", r.From)
	case !(r.To >= r.From) || math.IsInf(r.To, 1):
		return fmt.Sprintf("--to %v; allowed: from its start (%v) on", r.To, r.From)
	case r.Whole && r.From != math.Trunc(r.From):
		return fmt.Sprintf("--from %v; allowed: a whole number", r.From)
	case r.Whole && r.To != math.Trunc(r.To):
		return fmt.Sprintf("--to %v; allowed: a whole number", r.To)
	case !(r.Within >= 0.01 && r.Within <= 1):
		return fmt.Sprintf("--within %v %%; allowed: 1 to 100 %%", 100*r.Within)
	case r.Confirm < 1 || r.Confirm%2 == 0:
		return fmt.Sprintf("--repeats %d; allowed: an odd number, so that more than half of them agree", r.Confirm)
	case r.Most < r.Confirm:
		return fmt.Sprintf("--most %d; allowed: at least those that confirm one end (%d)", r.Most, r.Confirm)
	}
	return ""
}

// An End is how a search ended.
type End string

// Ends.
const (
	Found     End = "found"     // the promise is kept at Best and missed at Next
	Unbounded End = "unbounded" // it is kept at Best, the end of the range
	// Blocked is: kept at Best, and at Next the server could not be told from what
	// measures it. Best is no bound of the server.
	Blocked   End = "blocked"
	None      End = "none"      // it is missed at the start of the range already
	Undecided End = "undecided" // nothing can be said of the start of the range, or there were too many samples
)

// An Answer is what a search came to.
type Answer struct {
	End     End
	Best    float64 // the highest load that was kept; 0 if none
	Next    float64 // the lowest above it that was not; 0 if none
	Levels  []Level // all that were measured, rising
	Samples int
}

// Level is the one of a load; nil if it was not measured.
func (a *Answer) Level(load float64) *Level {
	for i := range a.Levels {
		if a.Levels[i].Load == load {
			return &a.Levels[i]
		}
	}
	return nil
}

// Find searches the range. An error of measure ends the search and is
// returned with what is known by then. It panics if the range has a mistake.
func Find(ctx context.Context, r Range, measure func(context.Context, float64) (Sample, error)) (*Answer, error) {
	if m := r.Mistake(); m != "" {
		panic("search: " + m)
	}
	a := &Answer{End: Undecided}
	for {
		load, done := r.next(a)
		if done || a.Samples == r.Most {
			return a, nil
		}
		s, err := measure(ctx, load)
		if err != nil {
			a.End = Undecided
			return a, err
		}
		a.Samples++
		l := a.Level(load)
		if l == nil {
			a.Levels = append(a.Levels, Level{Load: load})
			slices.SortFunc(a.Levels, func(a, b Level) int { return cmp.Compare(a.Load, b.Load) })
			l = a.Level(load)
		}
		l.Samples = append(l.Samples, s)
	}
}

// A state is what a level's samples say by now.
type state int

const (
	unknown state = iota // too few usable ones
	kept
	missed
	blocked
)

// state also reports whether it is confirmed.
func (r Range) state(l *Level) (s state, confirmed bool) {
	met, not, useless := l.Count(stats.Met), l.Count(stats.Missed), l.Count(stats.Unmeasured)
	switch {
	case useless >= r.Confirm && useless > met+not:
		return blocked, true
	case met+not == 0:
		return unknown, false
	case met > not:
		return kept, met+not >= r.Confirm
	}
	return missed, met+not >= r.Confirm
}

// next is the load to measure, unless the search is done; then a has its
// end. It looks at nothing but the samples, so a level that turns out
// otherwise when it is confirmed moves the ends by itself.
func (r Range) next(a *Answer) (load float64, done bool) {
	a.Best, a.Next, a.End = 0, 0, Undecided
	var low, high *Level // the highest that is kept below the lowest that is not
	for i := range a.Levels {
		l := &a.Levels[i]
		switch s, _ := r.state(l); s {
		case unknown:
			return l.Load, false
		case kept:
			low = l
			continue
		}
		high = l
		break
	}
	settled := func(l *Level) bool { _, ok := r.state(l); return ok }
	if low != nil {
		a.Best = low.Load
	}
	if high != nil {
		a.Next = high.Load
	}
	switch {
	case low == nil && high == nil:
		return r.From, false
	case low == nil: // and so high is the start
		if !settled(high) {
			return high.Load, false
		}
		if s, _ := r.state(high); s == missed {
			a.End = None
		}
		return 0, true
	case high == nil && low.Load < r.To:
		return min(r.round(2*low.Load), r.To), false // To as it is: rounded up, it could be more than there may be
	case high == nil:
		if !settled(low) {
			return low.Load, false
		}
		a.End = Unbounded
		return 0, true
	}
	if mid := r.round(math.Sqrt(low.Load * high.Load)); high.Load > low.Load*(1+r.Within) && mid > low.Load && mid < high.Load {
		return mid, false
	}
	for _, l := range []*Level{low, high} {
		if !settled(l) {
			return l.Load, false
		}
	}
	a.End = Found
	if s, _ := r.state(high); s == blocked {
		a.End = Blocked
	}
	return 0, true
}

// round keeps three digits, and a whole number where one is wanted.
func (r Range) round(x float64) float64 {
	scale := math.Pow(10, 2-math.Floor(math.Log10(x)))
	x = math.Round(x*scale) / scale
	if r.Whole {
		x = math.Max(1, math.Round(x))
	}
	return x
}
