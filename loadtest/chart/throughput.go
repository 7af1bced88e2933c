package chart

import "github.com/tierbench/tierbench/loadtest/stats"

var throughputChart = Chart{
	Name: "throughput", Title: "Throughput, and the cost of a request",
	note:  "requests answered per second, higher is better; then the server's CPU time per request, user and system, lower is better",
	build: against(stats.Throughput, stats.CPU),
}
