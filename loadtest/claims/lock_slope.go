package claims

import (
	"fmt"
	"time"

	"github.com/tierbench/tierbench/loadtest/prose"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// The cells of T5 and R5.
const (
	lockBystander = "echo"
	lockMix       = "echo+1xcpu-100ms"
	lockClients   = 10
)

// lockIntervals are the lock's switch intervals that are measured.
var lockIntervals = []string{"500us", "5ms", "20ms", "50ms"}

// leastIntervals is how many intervals a slope needs.
const leastIntervals = 3

// A lockCell is a cell with its lock's interval.
type lockCell struct {
	*stats.Cell
	sec float64
}

// lockCells returns a server's cells for each measured interval, the shortest first.
func (e *evidence) lockCells(s server, workload string) (out []lockCell) {
	for _, interval := range lockIntervals {
		if c := e.by[lockKey(s, workload, interval)]; c != nil {
			e.asked[c.Key] = true
			out = append(out, lockCell{c, intervalSec(interval)})
		}
	}
	return out
}

// intervalSec returns the length of an interval of lockIntervals.
func intervalSec(interval string) float64 {
	d, err := time.ParseDuration(interval)
	if err != nil {
		panic(err)
	}
	return d.Seconds()
}

// lockKey returns the key of a server with an interval: a setting in Go, a model in CPython.
func lockKey(s server, workload string, interval string) result.Key {
	if s.language == CPython {
		return closed(s.model+"-"+interval, workload, lockClients)
	}
	return with(closed(s.model, workload, lockClients), result.Setting{Name: "gil", Value: interval})
}

// lockSlope returns a point that is Met if the lock's interval matters.
func (e *evidence) lockSlope(s server, workload string, m stats.Metric) point {
	p := point{}
	var xs, ys []float64
	var lacks []string
	each := 0
	cells := e.lockCells(s, workload)
	for _, c := range cells {
		vs := c.Cell.Values(m)
		if len(vs) == 0 {
			lacks = append(lacks, e.lack(c.Key))
			continue
		}
		p.cells = append(p.cells, c.Key)
		if each == 0 || len(vs) < each {
			each = len(vs)
		}
		for _, v := range vs {
			xs, ys = append(xs, c.sec), append(ys, v)
		}
		p.notes = append(p.notes, fmt.Sprintf("%s: p99 with an interval of %s: %s", s.model, stats.Seconds.Format(c.sec), Effect{Estimate: stats.MedianOf(vs), Unit: stats.Seconds}.interval()))
	}
	if len(cells) == 0 {
		for _, interval := range lockIntervals {
			lacks = append(lacks, e.lack(lockKey(s, workload, interval)))
		}
	}
	line := stats.LineOf(xs, ys)
	if line.Distinct < leastIntervals {
		p.missing = fmt.Sprintf("intervals of the lock: %d were measured, a line needs %d", line.Distinct, leastIntervals)
		if len(lacks) > 0 {
			p.missing += "; " + prose.List(lead(lacks, 1))
		}
		return p
	}
	p.effects = []Effect{{What: "ms of p99 per ms of the interval", Estimate: line.Slope, Bound: "excludes 0"}}
	p.effects[0].each = each
	if line.Slope.Known() {
		if p.outcome = stats.Missed; line.Slope.Lo > 0 || line.Slope.Hi < 0 {
			p.outcome = stats.Met
		}
		if line.Slope.Hi < 0 {
			p.notes = append(p.notes, s.model+": p99 falls as the interval grows; the rule asks only whether it matters")
		}
	}
	return p
}

func lead(parts []string, n int) []string { return parts[:min(n, len(parts))] }
