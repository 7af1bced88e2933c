package plan

import (
	"fmt"
	"math/rand/v2"
)

// A Trial is an experiment that a program runs by itself, without clients, in
// several variants.
type Trial struct {
	Name       string
	Run        []string // the program and its arguments; empty: the server program
	Variants   []string
	Increments int // of each worker; 0: the program chooses
	Workers    int // processes or threads that increment
	Repeats    int
}

// A TrialStep is one repeat of one variant.
type TrialStep struct {
	Trial
	Variant string
	Repeat  int // from 1
}

func (s TrialStep) String() string {
	return fmt.Sprintf("trial %s %s repeat=%d", s.Name, s.Variant, s.Repeat)
}

const (
	defaultTrialRepeats = 10
	defaultWorkers      = 2
	maxWorkers          = 1024
)

// TrialSteps returns the order of the trials: every variant once before any a second
// time, shuffled for each round. The same seed gives the same order.
func (p *Plan) TrialSteps() (steps []TrialStep) {
	most := 0
	var all []TrialStep
	for _, t := range p.Config.Trials {
		most = max(most, t.Repeats)
		for _, v := range t.Variants {
			all = append(all, TrialStep{Trial: t, Variant: v})
		}
	}
	for repeat := 1; repeat <= most; repeat++ {
		rng := rand.New(rand.NewPCG(p.Config.Seed, uint64(repeat)))
		for _, i := range rng.Perm(len(all)) {
			if s := all[i]; repeat <= s.Repeats {
				s.Repeat = repeat
				steps = append(steps, s)
			}
		}
	}
	return steps
}
