package claims

import (
	"fmt"

	"github.com/tierbench/tierbench/loadtest/prose"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// parallelCores is the bound of I2, in cores.
const parallelCores = 1.5

var parallel = &Claim{
	ID: "I2", Title: "The hardware runs instructions simultaneously",
	Charts:     []string{"throughput"},
	Quote:      "the hardware actually does run multiple instructions simultaneously",
	Definition: "At least one server uses more CPU time than time passes.",
	Experiment: "T2's cells on all cores",
	Metric:     "CPU time ÷ wall, of the server with the most",
	Lesson:     "If the processes of a server use two seconds of CPU time within one second, two of their instructions ran at the same time. A single core can only give the illusion of that.",
	Rule:       Rule{"1", "Supported for a language if CPU time ÷ wall > 1.5 on 2 or more cores for one of its servers, by the whole interval; refuted if it is at or below for all."},
	decide: func(e *evidence) []Verdict {
		var out []Verdict
		for _, language := range Languages {
			var best *point
			var lacks []string
			refuted := true
			for _, s := range of(contestants, language, "") {
				k := closed(s.model, cpuWorkload, cpuClients)
				c := e.cell(k)
				if c == nil {
					lacks = append(lacks, e.lack(k))
					continue
				}
				if n := serverCPUs(c); n < 2 {
					lacks = append(lacks, fmt.Sprintf("cores: the server may use %d, it takes 2", n))
					continue
				}
				busy := c.Median(cpuCores)
				refuted = refuted && above(busy, parallelCores) == stats.Missed
				if best == nil || busy.Value > best.effects[0].Value {
					best = &point{outcome: above(busy, parallelCores), cells: keys(c), effects: []Effect{{What: s.model + ": CPU time ÷ wall", Estimate: busy, Bound: "> 1.5"}}}
				}
			}
			switch {
			case best == nil, best.outcome != stats.Met && len(lacks) > 0: // a server that was not measured might meet it
				best = &point{missing: prose.List(lacks)}
			case best.outcome == stats.Missed && !refuted:
				best.outcome = stats.Undecided
			}
			out = append(out, judge(subject{language: language}, "", *best))
		}
		return out
	},
}
