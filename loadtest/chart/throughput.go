package chart

import "github.com/tierbench/tierbench/loadtest/stats"

var throughputChart = Chart{
	Name: "throughput", Title: "Throughput, and what a request costs",
	note:  "requests answered a second, higher is better; then the server's CPU time per request, user and system, lower is better",
	build: against(stats.Throughput, stats.CPU),
}
