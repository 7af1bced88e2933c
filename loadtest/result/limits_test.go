package result

import "testing"

func TestParseLimits(t *testing.T) {
	for _, tt := range []struct {
		text string
		want Limits
	}{
		{"64MiB,1", Limits{64 << 20, 1}},
		{"64MiB", Limits{MemoryBytes: 64 << 20}},
		{"1", Limits{CPUs: 1}},
		{"0.5", Limits{CPUs: 0.5}},
		{"1GiB,2.25", Limits{1 << 30, 2.25}},
		{"1048577B,0.01", Limits{1<<20 + 1, 0.01}},
	} {
		if got, ok := ParseLimits(tt.text); !ok || got != tt.want || got.String() != tt.text {
			t.Errorf("%q is %+v (%q), %v; want %+v", tt.text, got, got, ok, tt.want)
		}
	}
	for text, want := range map[string]string{"1024KiB": "1MiB", "64 MiB, 1": "64MiB,1", "1.5GiB,1.0": "1536MiB,1", "2.001": "2"} {
		if got, ok := ParseLimits(text); !ok || got.String() != want {
			t.Errorf("%q is %q, %v; want %q", text, got, ok, want)
		}
	}
	for _, text := range []string{"", ",", "64MB", "64MiB,", ",1", "1,64MiB", "64KiB", "-1", "0", "1e9", "64MiB,1,2", "NaN"} {
		if got, ok := ParseLimits(text); ok {
			t.Errorf("%q is taken for %+v", text, got)
		}
	}
}

func FuzzParseLimits(f *testing.F) {
	for _, s := range []string{"64MiB,1", "64MiB", "0.5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if l, ok := ParseLimits(text); ok {
			if again, ok := ParseLimits(l.String()); !ok || again != l {
				t.Errorf("%q is %+v, which is written as %q and read as %+v, %v", text, l, l, again, ok)
			}
		}
	})
}
