package stats

import (
	"math"
	"strconv"
	"strings"
)

// A Unit scales a number in base units for a reader.
type Unit string

// Units of the metrics.
const (
	PerSecond Unit = "req/s"
	Seconds   Unit = "s"
	Bytes     Unit = "B"
	Count     Unit = ""
	Part      Unit = "%" // of one: 0.05 is 5 %
	Times     Unit = "×" // a ratio: three decimals
)

type step struct {
	size   float64
	suffix string
}

var steps = map[Unit][]step{
	PerSecond: {{1, "/s"}, {1e3, "k/s"}, {1e6, "M/s"}, {1e9, "G/s"}},
	Seconds:   {{1e-9, " ns"}, {1e-6, " µs"}, {1e-3, " ms"}, {1, " s"}},
	Bytes:     {{1, " B"}, {1 << 10, " KiB"}, {1 << 20, " MiB"}, {1 << 30, " GiB"}},
	Count:     {{1, ""}, {1e3, "k"}, {1e6, "M"}, {1e9, "G"}},
}

// Format prints v with three significant digits: "12.3k/s", "1.24 ms",
// "26.0 KiB". A whole count is printed in full.
func (u Unit) Format(v float64) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "–"
	case v < 0:
		return "−" + u.Format(-v)
	case u == Count && v == math.Trunc(v) && v < 1e6:
		return Group(int(v))
	case u == Part:
		return strconv.FormatFloat(100*v, 'g', 3, 64) + " %"
	case u == Times:
		return strconv.FormatFloat(v, 'f', 3, 64)
	case v == 0:
		return "0" + u.zeroSuffix()
	}
	s, x := u.scale(v)
	if u == Bytes && s.size == 1 {
		return strconv.FormatFloat(x, 'f', 0, 64) + s.suffix
	}
	return strconv.FormatFloat(x, 'f', decimals(x), 64) + s.suffix
}

// Tick prints v for an axis, exactly and without trailing zeros: "10k", "50 µs". The unit is
// that of like, so that the values of an axis can share it.
func (u Unit) Tick(v, like float64) string {
	if v == 0 {
		return "0"
	}
	s, _ := u.scale(math.Abs(like))
	return strconv.FormatFloat(round(v/s.size), 'f', -1, 64) + strings.TrimSuffix(s.suffix, "/s")
}

// scale finds the step in which v is printed with one to three digits before the point
// (four below 1 KiB).
func (u Unit) scale(v float64) (step, float64) {
	ss := steps[u]
	base := 1000.0
	if u == Bytes {
		base = 1024
	}
	for i, s := range ss {
		x := v / s.size
		if x < base-0.5 || i == len(ss)-1 {
			return s, x
		}
	}
	return step{1, string(u)}, v
}

// round keeps four significant digits.
func round(x float64) float64 {
	v, err := strconv.ParseFloat(strconv.FormatFloat(x, 'e', 3, 64), 64)
	if err != nil {
		return x
	}
	return v
}

func (u Unit) zeroSuffix() string {
	switch u {
	case PerSecond:
		return "/s"
	case Count:
		return ""
	}
	return " " + string(u)
}

func decimals(x float64) int {
	switch {
	case x >= 99.95:
		return 0
	case x >= 9.995:
		return 1
	}
	return 2
}

// Group prints a whole number with commas: "10,000".
func Group(n int) string {
	s, negative := strings.CutPrefix(strconv.Itoa(n), "-") // -n of the least int is itself
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	if negative {
		return "−" + s
	}
	return s
}
