package site

import (
	"fmt"

	"github.com/tierbench/tierbench/loadtest/gate"
	"github.com/tierbench/tierbench/loadtest/report"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/table"
)

// fails says when a repeat fails each check, with the bounds in force.
var fails = map[result.Gate]string{
	result.GateFinished:       "the repeat ended early: the server exited, or the clients could not connect",
	result.GateEstablished:    "at the start or the end of the window, there are not as many connections as clients, by the kernel's count on the server's side or by the generator's own; or an idle client does not answer at the end",
	result.GateErrors:         "any request failed; every answer is compared byte for byte",
	result.GateWindow:         fmt.Sprintf("less than %.0f %% of the time asked for was measured", 100*gate.WindowShare),
	result.GateLittlesLaw:     fmt.Sprintf("throughput × mean service time is more than %.0f %% off the number of clients (closed loop)", 100*gate.LittleResidual),
	result.GateRate:           fmt.Sprintf("less than %.0f %% of what was due was answered, or more than %.0f %%, because a backlog of the warm-up was (open loop)", 100*gate.RateShare, 100*gate.RateExcess),
	result.GateSendLag:        fmt.Sprintf("the generator's own lateness is over %.0f %% of the response time, at p99 (open loop)", 100*gate.LagShare),
	result.GateGeneratorBound: fmt.Sprintf("throughput is over %.0f %% of what the generator reaches with a server that does nothing, and the server's own CPUs are not full; or the generator keeps its CPUs over %.0f %% busy and the server does not", 100*gate.CeilingShare, 100*gate.BusyShare),
	result.GateUnanswered:     "a client waited for an answer throughout the window",
	result.GateListenQueue:    "an accept queue overflowed in the window",
	result.GateRetransmits:    "a SYN was sent again in the window",
	result.GateEvenService:    fmt.Sprintf("Jain's index of the answers per client is below %.2f", gate.JainIndex),
	result.GateSteady:         fmt.Sprintf("throughput changed by over %.0f %% over the window, beyond two standard errors", 100*gate.DriftChange),
	result.GateStalls:         fmt.Sprintf("no answer came for %.1f s, which is at least %d median service times, where %d were to be expected; or over %.0f %% of the slices of the window had less than half as many answers as the median slice", gate.StallSec, gate.StallTimes, gate.MinAnswers, 100*gate.SlowShare),
	result.GateStolenTime:     fmt.Sprintf("the hypervisor took over %.0f %% of the CPU time", 100*gate.StolenShare),
	result.GateThrottled:      fmt.Sprintf("the CPU quota of the harness's own control group withheld over %.0f %% of a core", 100*gate.ThrottledShare),
	result.GateOtherProcesses: fmt.Sprintf("another process used over %.0f %% of a core", 100*gate.OtherCores),
}

// gates returns a table with a row for each check.
func gates() *table.Table {
	t := table.New(table.Left("gate", "fails if", "verdict"))
	t.Columns[1].Width = 60
	for _, c := range gate.Checks {
		t.Row(c.Gate, fails[c.Gate], table.Cell{}.Append(report.Tag(c.Verdict)))
	}
	return t
}
