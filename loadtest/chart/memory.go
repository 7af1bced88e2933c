package chart

import "github.com/tierbench/tierbench/loadtest/stats"

var memoryChart = Chart{
	Name: "memory", Title: "Server memory against clients",
	note:  "growth of PSS for each client; then PSS and kernel stacks in all, without sockets · lower is better",
	build: against(stats.Memory, stats.MemoryTotal),
}
