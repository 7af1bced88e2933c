package chart

import (
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

var cpuOverTimeChart = Chart{
	Name: "cpu-over-time", Title: "Server CPU over time",
	note:  "cores that the server's processes kept busy, user and system, in each second of the measured window",
	build: overTime(coresIn, stats.Count),
}

func coresIn(s result.Second) (float64, bool) {
	return (s.CPUUserSec + s.CPUSysSec) / s.IntervalSec, s.IntervalSec >= shortest
}
