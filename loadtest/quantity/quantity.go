// Package quantity parses numbers with units, as people write them in a config or on the
// command line and as old records contain them. It returns base units: fractions of one,
// per second, bytes.
package quantity

import (
	"math"
	"strconv"
	"strings"
)

// Units of a rate, and of one for each client.
const (
	PerSecond          = "/s"
	PerSecondAndClient = "/s per client"
)

// Parse reads a number before a unit: "500/s" is 500 of "/s". The number must not be
// negative. A space may be between them.
func Parse(text, unit string) (v float64, ok bool) {
	number, ok := strings.CutSuffix(text, unit)
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if !ok || err != nil || !(v >= 0) || math.IsInf(v, 1) {
		return 0, false
	}
	return v, true
}

// Percent reads a percentage: "5%" is 0.05.
func Percent(text string) (fraction float64, ok bool) {
	v, ok := Parse(text, "%")
	return v / 100, ok
}

// Fraction reads a percentage, or a number below 1: "5%" and "0.05" are the same. It rejects
// a larger number without a unit, which most people mean as a percentage.
func Fraction(text string) (fraction float64, ok bool) {
	if v, ok := Percent(text); ok {
		return v, true
	}
	v, ok := Parse(text, "")
	return v, ok && v < 1
}

// Bytes reads a size: "512MiB", "1.5 GiB", "64B". The units are powers of 1024, and have an
// i so that nobody takes them for powers of 1000.
func Bytes(text string) (bytes float64, ok bool) {
	for i, unit := range []string{"TiB", "GiB", "MiB", "KiB", "B"} {
		if v, ok := Parse(text, unit); ok {
			return v * math.Pow(1024, float64(4-i)), true
		}
	}
	return 0, false
}
