package claims

var sharedSpace = &Claim{
	ID: "B3", Title: "Threads share globals and the heap",
	Charts:     []string{"throughput"},
	Quote:      "threads can access global variables defined in the program; can access heap memory",
	Definition: "All threads share one counter in memory; each process has a counter of its own.",
	Experiment: "B3: 10 clients increment in thread under a mutex, an atomic and an owner fed by a channel, and in process a plain variable; in CPython a variable under a lock, in threads and in forked processes",
	Metric:     "fraction of the increments that is lost; fraction in the process with the most",
	Lesson:     "A variable in memory is the same for all threads, and exact if they take turns. Forked processes each have a copy, and each counts only its own increments.",
	Rule:       Rule{"1", "Supported if the threads' count is exact in every repeat by each way, and the processes' diverges: no process has all increments, by the whole interval."},
	decide: func(e *evidence) []Verdict {
		return []Verdict{
			judge(subject{language: Go}, "the way",
				e.price(Go, e.exact("thread", "mutex"), "mutex"), e.price(Go, e.exact("thread", "atomic"), "atomic"), e.price(Go, e.exact("thread", "owner"), "owner"), e.diverges("process", "none")),
			judge(subject{language: CPython}, "the way", e.price(CPython, e.exact("python-threads", ""), "mutex", "owner"), e.diverges("python-fork", "")),
		}
	},
}
