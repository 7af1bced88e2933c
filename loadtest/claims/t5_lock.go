package claims

var lock = &Claim{
	ID: "T5", Title: "GIL interference",
	Charts:     []string{"interference"},
	Quote:      "GIL interference: no, some, no; the GIL causes some problems with threads",
	Says:       map[string]string{Processes: "no", Threads: "some", Async: "no"},
	Definition: "If only one thread at a time can compute, threads that share the lock wait as long as another keeps it.",
	Experiment: "T5: nine clients echo over HTTP while one computes for 100 ms per request; the lock changes hands after 0.5, 5, 20 and 50 ms. CPython's lock is real; in Go one lock per process is emulated, which a handler holds while it computes and releases while it waits. In an event loop, whose only thread always has the lock, computing delays the others whatever the interval",
	Metric:     "slope of the echo's p99 against the interval, by least squares over the repeats",
	Lesson:     "A thread that computes keeps the lock until another thread requests it, which happens only after the switch interval. So an echo waits for up to an interval each time it needs the lock, and for the threads queued before it: its p99 grows by several ms for each ms of the interval. Each process has a lock of its own. A loop has a single thread: the lock never delays it, but its own computing delays all clients.",
	Rule: Rule{"1", "It interferes if the slope's interval excludes 0, and does not if it includes 0. Supported for threads if it interferes, for processes and async if it does not. " +
		"A line needs three intervals."},
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
