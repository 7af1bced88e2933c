package chart

import "github.com/tierbench/tierbench/loadtest/stats"

var latencyChart = Chart{
	Name: "latency", Title: "Latency against clients",
	note:  "median and 99th percentile, from sending a request to the end of its answer · lower is better",
	build: against(stats.P50, stats.ShownP99),
}
