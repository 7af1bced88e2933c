package chart

import (
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

var overTimeChart = Chart{
	Name: "over-time", Title: "Throughput over time",
	note:  "requests answered in each second of the measured window · higher is better",
	build: overTime(throughputIn, stats.PerSecond),
}

func throughputIn(s result.Second) (float64, bool) {
	return float64(s.Requests) / s.IntervalSec, s.IntervalSec >= shortest
}
