package claims

var lock = &Claim{
	ID: "T5", Title: "GIL interference",
	Charts:     []string{"interference"},
	Quote:      "GIL interference: no, some, no; the GIL causes some problems with threads",
	Says:       map[string]string{Processes: "no", Threads: "some", Async: "no"},
	Definition: "Where one thread at a time computes, those who share the lock wait for as long as it is kept.",
	Experiment: "T5: nine clients echo over HTTP while one computes 100 ms a request; the lock changes hands after 0.5, 5, 20 and 50 ms. CPython's lock is real; in Go one lock a process is emulated, held while a handler computes and released while it waits. An event loop, whose one thread has the lock to itself, is held up by who computes whatever the interval",
	Metric:     "slope of the echo's p99 against the interval, by least squares over the repeats",
	Lesson:     "A thread that computes keeps the lock until another asks for it, and that one asks only after the switch interval. So an echo waits for up to an interval each time it needs the lock, behind those that asked before it: its p99 grows by several ms for each ms of the interval. Processes have a lock each; a loop has one thread, which nobody else can hold up, and which itself holds up everybody.",
	Rule: Rule{"1", "It interferes if the slope's interval excludes 0, and does not if it includes 0. Supported for threads if it interferes, for processes and async if it does not. " +
		"A line takes three intervals."},
	decide: func(e *evidence) []Verdict {
		return byColumn(contestants, func(s server) Verdict {
			p := e.lockSlope(s, lockMix, kindP99(lockBystander))
			if s.column != Threads {
				p = p.flip()
			}
			return judge(s.subject(), "", p)
		})
	},
}
