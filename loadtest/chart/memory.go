package chart

import "github.com/tierbench/tierbench/loadtest/stats"

var memoryChart = Chart{
	Name: "memory", Title: "Server memory against clients",
	note:  "growth of PSS ÷ clients, from 100 clients on; then total PSS and kernel stacks, without sockets · lower is better",
	build: against(stats.MemoryOfMany, stats.MemoryTotal),
}
