package claims

var channels = &Claim{
	ID: "B2", Title: "Processes communicate by a file, shared memory, a message pipe",
	Charts:     []string{"throughput"},
	Quote:      "How do process communicate with each other? … a file on disk … shared memory … message pipe",
	Definition: "A counter that all processes increment is exact with each of the three: a file under flock(2), a mapped page with atomics, a pipe to an owner.",
	Experiment: "B2: 10 clients increment in prefork with each; the trials increment measure the price. In CPython two forked processes increment at once in the trials python-increment, and a lock guards the page, as the standard library has no atomic addition",
	Metric:     "fraction of the increments that is lost or made up; µs per increment",
	Lesson:     "Processes share nothing by themselves, so what they share goes through the kernel or a page that both map. An increment costs several system calls with a locked file, a hand-over to the owner and back with a pipe, and one atomic instruction with a shared page.",
	Rule:       Rule{"1", "Supported if the count is exact after M increments from all workers under load, in every repeat, with all three; refuted if it is exact with none. An increment that was not answered may count or not."},
	decide: func(e *evidence) []Verdict {
		var goes, python []point
		for _, way := range []string{"flock", "shm", "pipe"} {
			goes = append(goes, e.price(Go, e.exact("prefork", way), way))
			python = append(python, e.price(CPython, e.exactTrial(CPython, way), way))
		}
		return []Verdict{judge(subject{language: Go}, "the channel", goes...), judge(subject{language: CPython}, "the channel", python...)}
	},
}
