package report

import (
	"bytes"
	"encoding/csv"
	"math"
	"slices"
	"strconv"
	"testing"

	"github.com/tierbench/tierbench/loadtest/stats"
)

func TestCSV(t *testing.T) {
	set := whole()
	var b bytes.Buffer
	if err := CSV(&b, set); err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	cells := stats.Cells(&set.Run, set.Repeats)
	if len(lines) != len(cells)+1 {
		t.Fatalf("%d lines, want a head and %d cells", len(lines), len(cells))
	}
	at := func(line int, column string) string { return lines[line][slices.Index(lines[0], column)] }
	verdicts := map[string]int{}
	for i, c := range cells {
		if at(i+1, "model") != c.Model || at(i+1, "clients") != strconv.Itoa(c.Clients) || at(i+1, "rate") != c.Rate.String() {
			t.Errorf("line %d is of %q", i+1, lines[i+1])
		}
		verdicts[at(i+1, "verdict")]++
		s := c.Median(stats.Throughput)
		if s.N == 0 {
			if got := at(i+1, "throughput"); got != "" {
				t.Errorf("line %d has a throughput of %s, want none", i+1, got)
			}
			continue
		}
		for column, want := range map[string]float64{"throughput": s.Value, "throughput_lo": s.Lo, "throughput_hi": s.Hi} {
			if got, err := strconv.ParseFloat(at(i+1, column), 64); err != nil || math.Abs(got-want) > 1e-9*want {
				t.Errorf("line %d: %s is %s, want %v", i+1, column, at(i+1, column), want)
			}
		}
	}
	if verdicts["invalid"] != 2 || verdicts["suspect"] != 2 {
		t.Errorf("verdicts %v", verdicts)
	}
}
