package claims

var replacement = &Claim{
	ID: "R4", Title: "Async uses the framework's replacements",
	Charts:     []string{"interference"},
	Quote:      "your program has to use the framework's replacements for the blocking standard-library functions",
	Definition: "The loop's own timer, in place of the blocking sleep, delays no other client.",
	Experiment: "R4: T4 at 1 % with a wait on the loop's timer instead of the blocking sleep",
	Metric:     "interference I, as in T4",
	Lesson:     "The framework's own sleep does not block: it notes when to continue, and the loop serves others until then. A replacement does the same for any call that could block.",
	Rule:       Rule{"1", "Supported if I ≤ 2 by the whole interval; refuted if it is above."},
	decide: func(e *evidence) []Verdict {
		var out []Verdict
		for _, language := range Languages {
			s := of(contestants, language, Async)[0]
			out = append(out, judge(subject{language: language}, "", e.interference(s.model, s.model, usual, "wait", decidingShare).undisturbed()))
		}
		return out
	},
}
