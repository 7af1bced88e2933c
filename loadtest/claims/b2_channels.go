package claims

var channels = &Claim{
	ID: "B2", Title: "Processes communicate by a file, shared memory, a message pipe",
	Charts:     []string{"throughput"},
	Quote:      "How do process communicate with each other? … a file on disk … shared memory … message pipe",
	Definition: "A counter that all processes increment is right over each of the three: a file under flock(2), a mapped page with atomics, a pipe to an owner.",
	Experiment: "B2: 10 clients increment in prefork over each; the price by the trials increment. In CPython two forked processes increment at once in the trials python-increment, and the page is guarded by a lock: its standard library has no atomic addition",
	Metric:     "part of the increments that is lost or made up; µs of an increment",
	Lesson:     "Processes share nothing by themselves, so what they share goes through the kernel or a page that both map. A locked file costs several system calls an increment, a pipe a hand-over to its owner and back, a shared page one atomic instruction.",
	Rule:       Rule{"1", "Supported if the count is exact after M increments from all workers under load, in every repeat, over all three; refuted if it is over none. An increment that was not answered may count or not."},
	decide: func(e *evidence) []Verdict {
		var goes, python []point
		for _, way := range []string{"flock", "shm", "pipe"} {
			goes = append(goes, e.price(Go, e.exact("prefork", way), way))
			python = append(python, e.price(CPython, e.exactTrial(CPython, way), way))
		}
		return []Verdict{judge(subject{language: Go}, "the channel", goes...), judge(subject{language: CPython}, "the channel", python...)}
	},
}
