package loadtest

import (
	"maps"
	"math"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/result"
)

// fill copies a window into a repeat.
func fill(r *result.Repeat, w *load.Window, step plan.Step) {
	all := w.Whole()
	r.Started, r.DurationSec = w.Started.UTC(), w.Length.Seconds()
	r.Requests, r.Errors, r.BytesIn, r.BytesOut = all.Service.TotalCount(), w.Errors, w.BytesIn, w.BytesOut
	r.Answered, r.Unsent, r.Closes = w.Answered, w.Unsent, w.Closes
	if r.Workload == result.Idle {
		r.Idle = r.Clients
		return
	}
	r.Idle = r.Clients - step.Population().Active
	if w.Length <= 0 {
		return
	}
	r.ThroughputRPS = float64(r.Requests) / w.Length.Seconds()
	r.Service = load.Censored(all.Service, w.Waiting)
	if r.Starved = w.Starved; w.Waiting != nil {
		r.InFlight = w.Waiting.TotalCount()
	}
	r.CarriedSec = w.Carried.Seconds()
	if all.Response != nil {
		response := load.Censored(all.Response, w.WaitingDue)
		r.Response = &response
		r.RateRPS = float64(w.Due) / w.Length.Seconds()
		r.Generator.SendLagP99Sec = load.Latency(all.Lag).P99
	}
	for _, k := range w.Mix {
		part := result.MixPart{Workload: k.Name, Clients: k.Clients, Requests: k.Service.TotalCount(), Service: load.Latency(k.Service)}
		if k.Response != nil {
			response := load.Latency(k.Response)
			part.Response = &response
		}
		r.Mix = append(r.Mix, part)
	}
	if w.Connect != nil {
		connects := load.Latency(w.Connect)
		r.Connect.Window = &connects
	}
	r.Fairness = fairness(w)
	r.Drift = drift(w.Slices)
	r.Drift.StallSec, r.Drift.SlowShare = stall(w.Slices).Seconds(), slow(w.Slices)
}

// fillConnect copies the description of the connects into a repeat. c may be nil.
func fillConnect(r *result.Repeat, c *load.Connected) {
	if c == nil {
		return
	}
	r.Connect.Sec, r.Connect.Refused = c.Sec, c.Refused
	if c.Histogram != nil {
		l := load.Latency(c.Histogram)
		r.Connect.P50Sec, r.Connect.P99Sec, r.Connect.MaxSec = l.P50, l.P99, l.Max
	}
}

// count compares a counter's value with its increments. It returns nil if no process
// of the server reported a value. The processes either share a counter and report the
// same value, or have a counter each.
func count(w *load.Window) *result.Count {
	if len(w.Readings) == 0 {
		return nil
	}
	values := slices.Sorted(maps.Values(w.Readings))
	c := &result.Count{Increments: w.Increments, Unanswered: w.Unanswered, Value: values[len(values)-1]}
	var sum int64
	for _, v := range values {
		sum += v
	}
	// Separate counters may have the same value by chance.
	same := values[0] == c.Value && (c.Value >= c.Increments || sum != c.Increments)
	if len(values) > 1 && !same {
		c.Values = values
	}
	return c
}

// fairness returns Jain's index of the answers per client (Jain, Chiu and Hawe, 1984).
// It leaves out clients with a request of their own: how many answers they get depends
// on how long that request takes.
func fairness(w *load.Window) result.Fairness {
	if w.Clients == 0 || w.Squares == 0 {
		return result.Fairness{}
	}
	n := float64(w.Clients)
	return result.Fairness{Jain: w.Sum * w.Sum / (n * w.Squares), Mean: w.Sum / n}
}

// drift fits a line by least squares through the answers in the slices of a window.
func drift(slices []int64) result.Drift {
	n := float64(len(slices))
	if n < 3 {
		return result.Drift{Slices: len(slices)}
	}
	x, y := make([]float64, len(slices)), make([]float64, len(slices))
	for i, v := range slices {
		x[i], y[i] = float64(i)-(n-1)/2, float64(v)
	}
	mean := stat.Mean(y, nil)
	if mean == 0 {
		return result.Drift{Slices: len(slices)}
	}
	intercept, slope := stat.LinearRegression(x, y, nil, false)
	var residuals, spread float64
	for i := range x {
		d := y[i] - intercept - slope*x[i]
		residuals += d * d
		spread += x[i] * x[i]
	}
	return result.Drift{
		Change: slope * n / mean, Slices: len(slices),
		StdErr: math.Sqrt(residuals/(n-2)/spread) * n / mean,
	}
}

// stall returns the longest time without an answer, in whole slices.
func stall(answers []int64) time.Duration {
	longest, n := 0, 0
	for _, v := range answers {
		if n++; v > 0 {
			n = 0
		}
		longest = max(longest, n)
	}
	return time.Duration(longest) * load.SliceLength
}

// slow returns the fraction of the slices with less than half as many answers as the median of
// them.
func slow(answers []int64) float64 {
	if len(answers) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(answers))
	n, _ := slices.BinarySearch(sorted, (sorted[len(sorted)/2]+1)/2)
	return float64(n) / float64(len(sorted))
}
