package quantity

import "testing"

func TestQuantities(t *testing.T) {
	perSecond := func(text string) (float64, bool) { return Parse(text, PerSecond) }
	for _, tt := range []struct {
		name string
		read func(string) (float64, bool)
		text string
		want float64
		ok   bool
	}{
		{"Percent", Percent, "5%", 0.05, true},
		{"Percent", Percent, "0.5 %", 0.005, true},
		{"Percent", Percent, "250%", 2.5, true},
		{"Percent", Percent, "5", 0, false},
		{"Percent", Percent, "-5%", 0, false},
		{"Percent", Percent, "NaN%", 0, false},
		{"Percent", Percent, "inf%", 0, false},
		{"Percent", Percent, "%", 0, false},
		{"Percent", Percent, "5%%", 0, false},
		{"Fraction", Fraction, "5%", 0.05, true},
		{"Fraction", Fraction, "0.05", 0.05, true},
		{"Fraction", Fraction, "0", 0, true},
		{"Fraction", Fraction, "1", 1, false},
		{"Fraction", Fraction, "five", 0, false},
		{"Parse", perSecond, "500/s", 500, true},
		{"Parse", perSecond, "1e+06/s", 1e6, true},
		{"Parse", perSecond, "500", 0, false},
		{"Parse", perSecond, "2/s per client", 0, false},
		{"Bytes", Bytes, "512MiB", 512 << 20, true},
		{"Bytes", Bytes, "1.5 GiB", 1.5 * (1 << 30), true},
		{"Bytes", Bytes, "2TiB", 2 << 40, true},
		{"Bytes", Bytes, "3KiB", 3 << 10, true},
		{"Bytes", Bytes, "64B", 64, true},
		{"Bytes", Bytes, "5MB", 0, false},
		{"Bytes", Bytes, "5", 0, false},
	} {
		if got, ok := tt.read(tt.text); ok != tt.ok || ok && got != tt.want {
			t.Errorf("%s(%q) = %g, %v; want %g, %v", tt.name, tt.text, got, ok, tt.want, tt.ok)
		}
	}
}
