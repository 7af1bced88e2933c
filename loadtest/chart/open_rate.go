package chart

import "github.com/tierbench/tierbench/loadtest/stats"

var openRateChart = Chart{
	Name: "open-rate", Title: "Rate achieved, and what it costs",
	note:  "throughput as a fraction of the rate asked for, and the server's CPU time per request; then how late the generator was",
	build: open([]stats.Metric{stats.Achieved, stats.CPU}, []stats.Metric{stats.SendLag}),
}
