package claims

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tierbench/tierbench/loadtest/prose"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// A point is a claim decided at one place of its experiment: one number of
// clients, one workload, one kind of fault.
type point struct {
	at string // such as "100 clients"
	// outcome is Met if the claim is true here, Missed if it is not, and neither if the
	// measurement does not say.
	outcome stats.Outcome
	effects []Effect
	notes   []string
	cells   []result.Key
	trials  []string
	missing string // why nothing is known; "" if something is
	// between is set if the rule itself decides neither way, and not for lack of repeats. It
	// says what the claim depends on.
	between string
}

// flip returns the opposite point, for a column in which the document says no.
func (p point) flip() point {
	p.outcome = p.outcome.Not()
	p.effects = slices.Clone(p.effects)
	for i := range p.effects {
		p.effects[i].outcome = p.effects[i].outcome.Not()
	}
	return p
}

// decisive returns the effects of a point, those that decided it first.
func (p point) decisive() []Effect {
	out := slices.Clone(p.effects)
	rank := func(f Effect) int {
		switch {
		case f.Bound == "":
			return 2
		case f.outcome != p.outcome && (f.outcome.Decided() || p.outcome.Decided()):
			return 1
		}
		return 0
	}
	slices.SortStableFunc(out, func(a, b Effect) int { return rank(a) - rank(b) })
	return out
}

// A subject is what points are about: a language, one of its columns, one of its models, or
// something aside from these.
type subject struct{ language, column, model, aside string }

// verdict returns an empty verdict on the subject.
func (s subject) verdict() Verdict {
	return Verdict{Language: s.language, Column: s.column, Subject: s.model + s.aside, aside: s.aside != ""}
}

// judge makes the verdict on a subject. All points must be known. axis is what they differ
// in.
func judge(s subject, axis string, points ...point) Verdict {
	v := judgePart(s, axis, points...)
	if v.Partial && (v.Word == Supported || v.Word == Refuted) {
		v.Word = Undecidable
	}
	return v
}

// judgePart makes a verdict from the points that are known, if any are.
func judgePart(s subject, axis string, points ...point) Verdict {
	v := s.verdict()
	var yes, no, tie, between, missing []point
	for _, p := range points {
		v.Cells = append(v.Cells, p.cells...)
		v.Trials = append(v.Trials, p.trials...)
		v.Notes = append(v.Notes, p.notes...)
		switch {
		case p.missing != "":
			missing = append(missing, p)
			continue
		case p.between != "":
			between = append(between, p)
		case p.outcome == stats.Met:
			yes = append(yes, p)
		case p.outcome == stats.Missed:
			no = append(no, p)
		default:
			tie = append(tie, p)
		}
	}
	var why []string
	at := func(what string, ps []point) {
		var names []string
		for _, p := range ps {
			if p.at != "" {
				names = append(names, p.at)
			}
		}
		if len(names) > 0 {
			why = append(why, what+" at "+prose.List(names))
		}
	}
	show := func(ps ...[]point) {
		for _, p := range slices.Concat(ps...) {
			v.Effects = append(v.Effects, p.decisive()...)
		}
	}
	switch {
	case len(yes)+len(no)+len(tie)+len(between) == 0:
		v.Word = Undecidable
	case len(yes) > 0 && len(no) > 0:
		v.Word = Depends
		why = append(why, "on "+axis)
		at("so", yes)
		at("not so", no)
		at("undecided", tie)
		show(no, yes, between, tie)
	case len(between) > 0:
		v.Word = Depends
		for _, p := range between {
			why = append(why, p.between)
		}
		at("so", yes)
		at("not so", no)
		show(between, no, yes, tie)
	case len(tie) > 0:
		v.Word = Undecidable
		what := "repeats: the interval includes the bound"
		for _, p := range tie {
			if slices.ContainsFunc(p.effects, func(f Effect) bool { return f.Bound != "" && !f.Known() }) {
				what = "repeats: fewer than two that count have no interval"
			}
		}
		at(what, tie)
		if len(why) == 0 {
			why = append(why, what)
		}
		show(tie, no, yes)
	case len(yes) > 0:
		v.Word = Supported
		show(yes)
	default:
		v.Word = Refuted
		show(no)
	}
	var lacks []string
	for _, p := range missing {
		if !slices.Contains(lacks, p.missing) {
			lacks = append(lacks, p.missing)
		}
	}
	if len(lacks) > 0 {
		v.Partial = len(missing) < len(points)
		why = append(why, "missing: "+strings.Join(lacks, "; "))
	}
	v.Why = strings.Join(why, "; ")
	return v
}

// fold makes the verdict on a column or a language from those on its models. All must be
// known, because no model represents another.
func fold(s subject, axis string, vs []Verdict) Verdict {
	v := s.verdict()
	v.Word = Undecidable
	if len(vs) == 0 {
		v.Why = "missing: a server of this kind in " + s.language
		return v
	}
	var words []Word
	var said, open []string
	for _, m := range vs {
		v.Cells = append(v.Cells, m.Cells...)
		v.Trials = append(v.Trials, m.Trials...)
		v.Partial = v.Partial || m.Partial
		said = append(said, fmt.Sprintf("%s: %s", m.Subject, m.Word))
		if m.Word == Undecidable {
			if why := m.Why; len(vs) > 1 {
				open = append(open, m.Subject+": "+why)
			} else {
				open = append(open, why)
			}
		}
		if !slices.Contains(words, m.Word) {
			words = append(words, m.Word)
		}
	}
	// The effects of a model that differs from the others come first.
	order := slices.Clone(vs)
	rank := func(w Word) int { return slices.Index([]Word{Undecidable, Refuted, Depends, Supported}, w) }
	if len(words) > 1 {
		slices.SortStableFunc(order, func(a, b Verdict) int { return rank(a.Word) - rank(b.Word) })
	}
	for _, m := range order {
		for _, f := range m.Effects {
			if len(vs) > 1 {
				f.What = m.Subject + ": " + f.What
			}
			v.Effects = append(v.Effects, f)
		}
	}
	switch {
	case len(open) > 0:
		v.Why = strings.Join(open, "; ")
		if len(words) > 1 {
			v.Why += " (" + strings.Join(said, ", ") + ")"
		}
	case len(words) == 1:
		v.Word = words[0]
		if v.Word == Depends || len(vs) == 1 {
			v.Why = vs[0].Why
			if len(vs) > 1 {
				v.Why = vs[0].Subject + ": " + v.Why
			}
			for _, m := range vs[1:] {
				v.Why += "; " + m.Subject + ": " + m.Why
			}
		}
	default:
		v.Word = Depends
		v.Why = "on " + axis + ": " + strings.Join(said, ", ")
	}
	if len(vs) == 1 {
		v.Notes = vs[0].Notes
	}
	return v
}

// undecidable returns the verdict on something that cannot be measured here.
func undecidable(s subject, missing string) Verdict {
	v := s.verdict()
	v.Word, v.Why = Undecidable, "missing: "+missing
	return v
}
