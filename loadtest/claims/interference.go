package claims

import (
	"fmt"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// The cells of T4 and R4, and their bounds.
const (
	bystander    = "plaintext"
	blockClients = 100
	blockSec     = 0.1
	stalls       = 10
	undisturbed  = 2
)

// decidingShare is the share of requests that block or wait that decides T4 and R4.
var decidingShare = result.Share{Fraction: 0.01}

// mixed returns the name of the workload in which a share of the requests blocks or waits.
func mixed(kind string, share result.Share) string {
	return bystander + "+" + share.String() + kind + "-100ms"
}

// interference returns a point that is Met if the other clients are not delayed. model and
// plain are the names of the server with and without the requests that disturb.
func (e *evidence) interference(model, plain string, setting result.Setting, kind string, share result.Share) point {
	km, kp := with(closed(model, mixed(kind, share), blockClients), setting), closed(plain, bystander, blockClients)
	m, p := e.cell(km), e.cell(kp)
	if m == nil || p == nil {
		return point{missing: e.lackOf(km, kp)}
	}
	i := stats.MedianOf(stats.Pairs(m, kindP99(bystander), p, stats.P99))
	out := point{cells: keys(m, p), effects: []Effect{{What: "I at " + share.String() + " " + kind, Estimate: i, Bound: "≤ 2, or ≥ 10"}}}
	if away := stats.Median(m.Values(stats.Throughput)) * share.Fraction * blockSec; away >= 1 {
		out.notes = append(out.notes, fmt.Sprintf("%s at %s %s: of its %s clients about %.0f wait at a time, and the others have the server to themselves: I can be below 1", model, share, kind, stats.Group(m.Clients), away))
	}
	switch {
	case i.AtMost(undisturbed) == stats.Met:
		out.outcome = stats.Met
	case i.AtLeast(stalls) == stats.Met:
		out.outcome = stats.Missed
	case i.Known() && i.Lo > undisturbed && i.Hi < stalls:
		out.between = fmt.Sprintf("on how much blocks and how long a bystander may wait: at %s it waits %.3g times as long (%.3g – %.3g)", share, i.Value, i.Lo, i.Hi)
	}
	return out
}

// undisturbed returns the point with the single bound of R4.
func (p point) undisturbed() point {
	if p.missing == "" {
		f := p.effects[0]
		f.Bound = "≤ 2"
		p.between, p.outcome, p.effects = "", f.AtMost(undisturbed), []Effect{f}
	}
	return p
}
