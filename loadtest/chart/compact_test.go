package chart

import "testing"

func TestRelative(t *testing.T) {
	for _, tt := range []struct{ why, path, want string }{
		{"a line, from below", "M1,2L3.04,2L3.04,5", "m1 98l2 0 0-3"},
		{"a part of a point", "M0,100L0.25,99.75", "m0 0l.3 .3"},
		{"what is closed goes back to where it began", "M0,0L10,0L10,10Z", "m0 100l10 0 0-10z"},
		{"a second part begins from where the first did", "M1,100L10,100L10,90ZM1,90L2,90", "m1 0l9 0 0 10zm0 10l1 0"},
		{"an arc turns the other way", "M8,50A4,4 0 1 1 0,50Z", "m8 50a4 4 0 1 0-8 0z"},
		{"rounding does not add up", "M0,0L0.04,0L0.08,0L0.12,0", "m0 100l0 0 .1 0 0 0"},
		{"many digits", "M0,0L1e+02,0", "m0 100l100 0"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			if got := relative(tt.path, 100); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
