package chart

import "github.com/tierbench/tierbench/loadtest/stats"

var openLatencyChart = Chart{
	Name: "open-latency", Title: "Latency at a fixed rate",
	note:  "99th percentile, from when a request was due (response time) and from when it was sent (service time) · lower is better",
	build: open([]stats.Metric{stats.ShownP99, stats.ShownServiceP99}),
}
