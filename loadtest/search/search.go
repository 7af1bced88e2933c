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
// stats.Missed if not. It is stats.Unmeasured if it says nothing about the server: the load
// was not what was asked for, or the generator was late.
type Sample struct {
	Outcome stats.Outcome
	Why     string // why it was missed, or cannot be used
}

// A Level is a load and all that was measured at it.
type Level struct {
	Load    float64
	Samples []Sample
}

// Count returns how many of the level's samples have an outcome.
func (l *Level) Count(o stats.Outcome) (n int) {
	for _, s := range l.Samples {
		if s.Outcome == o {
			n++
		}
	}
	return n
}

// Why returns the reason of the first sample with an outcome.
func (l *Level) Why(o stats.Outcome) string {
	for _, s := range l.Samples {
		if s.Outcome == o {
			return s.Why
		}
	}
	return ""
}

// A Range says what to search, and how closely.
type Range struct {
	From, To float64 // the first and the largest load, both above 0
	Whole    bool    // loads are whole numbers
	// Within is how far apart the two ends of the answer may be, as a fraction of the lower
	// one: 0.05 is 5 %. Loads between From and To have three digits, so it is at least 0.01.
	Within float64
	// Confirm is how many usable samples each end needs, and how many unusable ones make the
	// search give up a level. The majority of a level's samples decides.
	Confirm int
	// Most is the number of samples after which the search gives up.
	Most int
}

// Mistake returns what is wrong with the range, or "" if nothing is.
func (r Range) Mistake() string {
	switch {
	case !(r.From > 0):
		return fmt.Sprintf("--from %v; allowed: above 0", r.From)
	case !(r.To >= r.From) || math.IsInf(r.To, 1):
		return fmt.Sprintf("--to %v; allowed: %v and above", r.To, r.From)
	case r.Whole && r.From != math.Trunc(r.From):
		return fmt.Sprintf("--from %v; allowed: a whole number", r.From)
	case r.Whole && r.To != math.Trunc(r.To):
		return fmt.Sprintf("--to %v; allowed: a whole number", r.To)
	case !(r.Within >= 0.01 && r.Within <= 1):
		return fmt.Sprintf("--within %v %%; allowed: 1 to 100 %%", 100*r.Within)
	case r.Confirm < 1 || r.Confirm%2 == 0:
		return fmt.Sprintf("--repeats %d; allowed: an odd number, so that there is a majority", r.Confirm)
	case r.Most < r.Confirm:
		return fmt.Sprintf("--most %d; allowed: at least the repeats that confirm one end (%d)", r.Most, r.Confirm)
	}
	return ""
}

// An End is how a search ended.
type End string

// Ends.
const (
	Found     End = "found"     // the promise is kept at Best and missed at Next
	Unbounded End = "unbounded" // it is kept at Best, the end of the range
	// Blocked means that the promise is kept at Best, and that Next could not be measured
	// because of the generator. The server may carry more than Best.
	Blocked   End = "blocked"
	None      End = "none"      // it is already missed at the start of the range
	Undecided End = "undecided" // the start of the range could not be measured, or there were too many samples
)

// An Answer is the result of a search.
type Answer struct {
	End     End
	Best    float64 // the highest load at which the promise was kept; 0 if none
	Next    float64 // the lowest load above it at which it was not; 0 if none
	Levels  []Level // all measured levels, rising
	Samples int
}

// Level returns the level of a load. It returns nil if the load was not measured.
func (a *Answer) Level(load float64) *Level {
	for i := range a.Levels {
		if a.Levels[i].Load == load {
			return &a.Levels[i]
		}
	}
	return nil
}

// Find searches the range. An error of measure ends the search; Find returns it with what is
// known so far. It panics if the range has a mistake.
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

// A state is what a level's samples say so far.
type state int

const (
	unknown state = iota // too few usable ones
	kept
	missed
	blocked
)

// state also reports whether the state is confirmed.
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

// next returns the load to measure. If the search is done, it sets the end of a. It uses
// only the samples, so the ends move by themselves if confirming a level changes its state.
func (r Range) next(a *Answer) (load float64, done bool) {
	a.Best, a.Next, a.End = 0, 0, Undecided
	var low, high *Level // high is the lowest level that is not kept, low the level below it
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
	case low == nil: // high is the start of the range
		if !settled(high) {
			return high.Load, false
		}
		if s, _ := r.state(high); s == missed {
			a.End = None
		}
		return 0, true
	case high == nil && low.Load < r.To:
		return min(r.round(2*low.Load), r.To), false // To is not rounded: that could exceed it
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
