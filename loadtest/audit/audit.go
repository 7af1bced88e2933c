// Package audit checks whether the numbers of a published benchmark table are consistent
// with each other: with Little's law, and with plain arithmetic. It does not matter who
// measured them, or with what.
package audit

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tierbench/tierbench/loadtest/gate"
)

// ArithmeticTolerance is the largest relative difference of numbers that must be equal. It
// allows for the rounding of tables.
const ArithmeticTolerance = 0.01

// A Row is one line of a table and the result of its checks.
type Row struct {
	Line  int    // in the file, from 1
	Label string // the columns that are not numbers, joined
	// Residual is throughput × mean latency ÷ clients − 1; NaN if one of the three is
	// missing.
	Residual float64
	Wrong    []string // the failed checks
	Skipped  []string // the checks that could not be made, and why
}

// A column is the meaning of a header: a quantity, and the factor to its base unit.
type column struct {
	quantity string
	factor   float64
}

// quantities are the names of columns, without their unit.
var quantities = map[string]string{
	"clients": "clients", "connections": "clients", "concurrency": "clients",
	"throughput": "throughput", "requests per second": "throughput", "req/s": "throughput", "rps": "throughput",
	"mean": "mean", "mean latency": "mean", "average latency": "mean", "avg": "mean", "avg latency": "mean", "latency": "mean",
	"p50": "p50", "median": "p50", "p90": "p90", "p99": "p99", "p999": "p999", "p99.9": "p999", "max": "max",
	"requests": "requests", "errors": "errors", "duration": "duration",
}

// units are the units that may follow the name of a column, after a space or an underscore
// or in brackets. Without a unit, a column is in seconds or requests a second.
var units = map[string]float64{
	"s": 1, "sec": 1, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9,
	"rps": 1, "req/s": 1, "krps": 1e3, "k": 1e3,
}

// Needed are the quantities that a table must have. Also are those that are checked if it
// has them.
var (
	Needed = []string{"clients", "throughput", "mean"}
	Also   = []string{"p50", "p90", "p99", "p999", "max", "requests", "duration", "errors"}
)

func meaning(header string) (column, bool) {
	h := strings.ToLower(strings.TrimSpace(strings.TrimPrefix(header, "\ufeff")))
	if q, ok := quantities[h]; ok {
		return column{q, 1}, true
	}
	h = strings.NewReplacer("(", " ", ")", " ", "[", " ", "]", " ", "_", " ").Replace(h)
	words := strings.Fields(h)
	if len(words) < 2 {
		return column{}, false
	}
	factor, isUnit := units[words[len(words)-1]]
	q, ok := quantities[strings.Join(words[:len(words)-1], " ")]
	return column{q, factor}, ok && isUnit
}

// Read reads a CSV file with a header and checks each row. If the file itself is invalid,
// the error names the line.
func Read(name string, r io.Reader) ([]Row, error) {
	in := csv.NewReader(r)
	in.TrimLeadingSpace = true
	header, err := in.Read()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: the file is empty; its first line must name the columns", name)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	columns := make([]column, len(header))
	known := map[string]int{}
	for i, h := range header {
		c, ok := meaning(h)
		if !ok {
			continue // a label, or a column that is not checked
		}
		if first, twice := known[c.quantity]; twice {
			return nil, fmt.Errorf("%s:1: the columns %q and %q both mean %s; leave one", name, header[first], h, c.quantity)
		}
		columns[i], known[c.quantity] = c, i
	}
	for _, q := range Needed {
		if _, ok := known[q]; !ok {
			return nil, fmt.Errorf("%s:1: there is no column %s among %q. Needed: %s; checked if present: %s. A unit may follow a name, as in mean_ms",
				name, q, header, strings.Join(Needed, ", "), strings.Join(Also, ", "))
		}
	}
	var rows []Row
	for {
		fields, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		line, _ := in.FieldPos(0)
		row, err := check(line, header, columns, fields)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, line, err)
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("%s: the file has no line after the header", name)
	}
	return rows, nil
}

func check(line int, header []string, columns []column, fields []string) (Row, error) {
	v := map[string]float64{}
	var label []string
	for i, f := range fields {
		f = strings.TrimSpace(f)
		c := columns[i]
		switch {
		case f == "":
		case c.quantity == "":
			if _, err := strconv.ParseFloat(f, 64); err != nil {
				label = append(label, f)
			}
		default:
			n, err := strconv.ParseFloat(strings.ReplaceAll(f, ",", ""), 64)
			if err != nil || n < 0 || math.IsInf(n, 0) || math.IsNaN(n) {
				return Row{}, fmt.Errorf("%s: %q is not allowed; allowed: a number of 0 or more", header[i], f)
			}
			v[c.quantity] = n * c.factor
		}
	}
	r := Row{Line: line, Label: strings.Join(label, " "), Residual: math.NaN()}
	r.little(v)
	r.arithmetic(v)
	return r, nil
}

// little checks Little's law, for a closed loop: each client has one request in flight at
// any time.
func (r *Row) little(v map[string]float64) {
	for _, q := range Needed {
		if n, ok := v[q]; !ok || n == 0 {
			r.Skipped = append(r.Skipped, fmt.Sprintf("Little's law: the row has no %s", q))
			return
		}
	}
	r.Residual = gate.Residual(v["throughput"], v["mean"], v["clients"])
	if math.Abs(r.Residual) <= gate.LittleResidual {
		return
	}
	inFlight := v["throughput"] * v["mean"]
	why := "some clients were idle, there were fewer clients than the table says, or the mean leaves out slow answers"
	if r.Residual > 0 {
		why = "more requests were in flight than there were clients, or not all answers were counted"
	}
	r.Wrong = append(r.Wrong, fmt.Sprintf("Little's law: %.4g/s × %s is %.4g in flight, not %g (%+.1f %%): %s",
		v["throughput"], seconds(v["mean"]), inFlight, v["clients"], 100*r.Residual, why))
}

func (r *Row) arithmetic(v map[string]float64) {
	order := []string{"p50", "p90", "p99", "p999", "max"}
	order = slices.DeleteFunc(order, func(q string) bool { _, ok := v[q]; return !ok })
	for i := 1; i < len(order); i++ {
		if low, high := order[i-1], order[i]; v[low] > v[high] {
			r.Wrong = append(r.Wrong, fmt.Sprintf("%s, %s, is more than %s, %s", low, seconds(v[low]), high, seconds(v[high])))
		}
	}
	if most, ok := v["max"]; ok && v["mean"] > most {
		r.Wrong = append(r.Wrong, fmt.Sprintf("the mean, %s, is more than the maximum, %s", seconds(v["mean"]), seconds(most)))
	}
	// At least half of all requests take the median or longer, so the mean is at least half
	// the median.
	if p50, ok := v["p50"]; ok && v["mean"] > 0 && v["mean"] < p50/2*(1-ArithmeticTolerance) {
		r.Wrong = append(r.Wrong, fmt.Sprintf("the mean, %s, is less than half the median, %s, which is impossible", seconds(v["mean"]), seconds(p50)))
	}
	requests, ok1 := v["requests"]
	duration, ok2 := v["duration"]
	if ok1 && ok2 && duration > 0 {
		if rate := requests / duration; math.Abs(rate-v["throughput"]) > ArithmeticTolerance*v["throughput"] {
			r.Wrong = append(r.Wrong, fmt.Sprintf("%g requests in %s are %.4g/s, not %.4g/s", requests, seconds(duration), rate, v["throughput"]))
		}
	}
	if n := v["errors"]; n > 0 {
		r.Wrong = append(r.Wrong, fmt.Sprintf("%g errors: failed requests must not count as throughput", n))
	}
}

func seconds(s float64) string {
	switch {
	case s < 1e-3:
		return fmt.Sprintf("%.4g µs", s*1e6)
	case s < 1:
		return fmt.Sprintf("%.4g ms", s*1e3)
	}
	return fmt.Sprintf("%.4g s", s)
}
