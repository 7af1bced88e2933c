package claims

import (
	"slices"

	"github.com/tierbench/tierbench/loadtest/stats"
)

// illusionN is how many clients I1 asks for.
const illusionN = 10

var illusion = &Claim{
	ID: "I1", Title: "The illusion of multi-tasking saves time, too",
	Charts:     []string{"waiting"},
	Quote:      `even if the hardware simply gives the illusion of "doing multi-tasking", the time required to run a program based on concurrency techniques might be less`,
	Definition: "On a single core, 10 waiting clients are answered faster than one after the other. A pool of processes that serve one request each is shown, but decides nothing: on one core it is a single process, which is the baseline.",
	Experiment: "I1: T1 at 10 clients with the server pinned to one core",
	Metric:     "gain, as in T1",
	Lesson:     "Waiting needs no core, so ten clients can wait at once on a single core. Only their computing has to be done one after the other.",
	Rule:       Rule{"2", "Supported for a model if gain > 1 with an interval that excludes 1, and by more than the 5 % within which two are tied; refuted if the interval is at or below 1."},
	decide: func(e *evidence) []Verdict {
		servers := slices.DeleteFunc(slices.Clone(contestants), func(s server) bool { return s.oneEach })
		out := byLanguage(servers, func(s server) Verdict {
			k, base := with(closed(s.model, waitWorkload, illusionN), onOneCPU), oneAtATime(s, onOneCPU)
			c, b := e.cell(k), e.cell(base)
			if c == nil || b == nil {
				return judge(s.subject(), "", point{missing: e.lackOf(k, base)})
			}
			gain := stats.RatioOf(c, b, stats.Throughput)
			return judge(s.subject(), "", point{
				outcome: leads(gain), cells: keys(c, b),
				effects: []Effect{{What: "gain at 10 clients on one core", Estimate: gain, Bound: "> 1"}},
			})
		})
		for _, s := range contestants {
			k, base := with(closed(s.model, waitWorkload, illusionN), onOneCPU), oneAtATime(s, onOneCPU)
			if c, b := e.cell(k), e.cell(base); s.oneEach && c != nil && b != nil {
				v := &out[slices.IndexFunc(out, func(v Verdict) bool { return v.Language == s.language && v.Subject == "" })]
				v.Notes = append(v.Notes, s.model+": gain "+Effect{Estimate: stats.RatioOf(c, b, stats.Throughput)}.interval())
				v.Cells = append(v.Cells, keys(c, b)...)
			}
		}
		return out
	},
}
