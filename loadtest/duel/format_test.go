package duel

import (
	"strings"
	"testing"

	"github.com/tierbench/tierbench/loadtest/result"
)

func TestSentences(t *testing.T) {
	far, near := synthetic(6, 0.53, steady, nil), synthetic(6, 1, steady, nil)
	few, none := synthetic(3, 1, steady, nil), synthetic(1, 1, steady, nil)
	none.Pairs[0].Failure = "pair 1: A: it ended"
	for _, tt := range []struct {
		why    string
		d      *result.Duel
		margin float64
		want   []string
	}{
		{"apart", far, 0, []string{"A answers 0.53 × as many as B (0.5", ", 6 pairs), at 0.50 × the CPU time per request"}},
		{"equal", near, 0, []string{"no difference found: A ÷ B is ", ", 6 pairs); a difference above 0.", " % would have been seen; but A takes 0.50 × the CPU time per request (0.50–0.50)"}},
		{"equal within a margin", near, 0.05, []string{"no difference above 5 %: A ÷ B is "}},
		{"too few", few, 0, []string{"undecided: A ÷ B is ", "fewer than 5 pairs"}},
		{"nothing", none, 0, []string{"nothing can be said: no pair is complete"}},
	} {
		a := Judge(tt.d, tt.margin)
		for _, want := range tt.want {
			if !strings.Contains(a.Sentence, want) {
				t.Errorf("%s: %q lacks %q", tt.why, a.Sentence, want)
			}
		}
		if text := a.Text(0); !strings.HasSuffix(text, "\n\n"+a.Sentence+"\n") {
			t.Errorf("%s: the text does not end with the sentence:\n%s", tt.why, text)
		}
	}
}

func TestRegressions(t *testing.T) {
	worse := Judge(synthetic(6, 1.2, steady, nil), 0).Regressions(0.05)
	if len(worse) != 2 || !strings.HasPrefix(worse[0], "throughput: A ÷ B is 1.") || !strings.HasPrefix(worse[1], "CPU time per request: ") {
		t.Errorf("%q", worse)
	}
	if worse := Judge(synthetic(6, 0.8, steady, nil), 0).Regressions(2); len(worse) > 0 {
		t.Errorf("%q", worse)
	}
}

func TestTurnsWithoutAnAnswerAreTold(t *testing.T) {
	d := synthetic(6, 1, steady, nil)
	if notes := Judge(d, 0).Notes; len(notes) > 0 {
		t.Errorf("%q", notes)
	}
	for i := range d.Pairs {
		for j := range 20 { // ten of each
			if s := &d.Pairs[i].Slices[j]; s.Side == 1 {
				s.Answers = 0
			}
		}
	}
	const want = "turns without an answer, which the medians leave out: 0 % of A, 10 % of B"
	if notes := Judge(d, 0).Notes; len(notes) != 1 || notes[0] != want {
		t.Errorf("%q, want %q", notes, want)
	}
}
