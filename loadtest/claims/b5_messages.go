package claims

var messages = &Claim{
	ID: "B5", Title: "Threads pass information as events and arguments",
	Charts:     []string{"throughput"},
	Quote:      `threads may communicate (important) information to one another or to the main program in several ways; some of those ways are by: (a) creating "events"; (b) passing information as arguments`,
	Definition: "An owner that receives messages keeps an exact count without a lock in the program.",
	Experiment: "B5: 10 clients increment in thread by messages to an owner goroutine, and in the event loop, to which every request is a message; the trials increment measure the price. In CPython threads put messages in the queue of an owner, in the trials python-increment, and clients increment in an asyncio loop",
	Metric:     "fraction of the increments that is lost; price of an increment by the owner ÷ by a mutex",
	Lesson:     "If only one owner touches the count and the others send it messages, no two updates can cross. The queue does the locking; a hand-over costs more than a free lock.",
	Rule:       Rule{"1", "Supported if the count is exact in every repeat for the owner and for the loop; refuted if it is exact for neither. The price is shown next to the lock's, and decides nothing."},
	decide: func(e *evidence) []Verdict {
		priced := func(language string, owner point) point {
			return e.priceRatio(language, e.price(language, owner, "owner", "mutex"), "owner", "mutex")
		}
		return []Verdict{
			judge(subject{language: Go}, "who owns it", priced(Go, e.exact("thread", "owner")), e.exact("eventloop", "local")),
			judge(subject{language: CPython}, "who owns it", priced(CPython, e.exactTrial(CPython, "owner")), e.exact("python-asyncio", "")),
		}
	},
}
