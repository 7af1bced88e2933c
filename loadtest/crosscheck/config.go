package crosscheck

import (
	"slices"
	"time"

	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/result"
)

// peers are the generators that Ours is checked against, by loop.
var peers = map[string][]string{
	result.Closed: {plan.WrkSame, plan.Oha},
	result.Open:   {plan.Wrk2},
}

// Peers are the generators that Ours is checked against.
func Peers() []string { return slices.Concat(peers[result.Closed], peers[result.Open]) }

// Usual returns the config that is checked if no other is named.
func Usual() *plan.Config {
	return &plan.Config{Seed: 1, Experiments: []*plan.Experiment{{
		Models: []string{"thread", "goroutine", "eventloop"}, Clients: []int{16, 64, 256},
		Workloads: []plan.Workload{plan.Least("http")}, Warmup: 500 * time.Millisecond, Duration: 2 * time.Second, Repeats: 5,
	}}}
}

// Config returns a config that measures the cells of from with Ours and with the peers that
// are not absent, in both loops. It leaves out workloads that the peers cannot drive; it may
// have no experiment left. Open loops have the given rate. Config calls change for each
// experiment before it divides it by loop.
func Config(from *plan.Config, rate result.Rate, absent map[string]string, change func(*plan.Experiment)) plan.Config {
	cfg := plan.Config{Name: "crosscheck", Title: "The load generator compared with others", Seed: from.Seed, Commands: from.Commands}
	for _, x := range from.Experiments {
		asked := plan.Experiment{
			Models: x.Models, Clients: x.Clients, Warmup: x.Warmup, Duration: x.Duration, Repeats: x.Repeats,
			ConnectRate: x.ConnectRate, ServerArgs: x.ServerArgs, Setting: x.Setting, CPUs: x.CPUs,
		}
		for _, w := range x.Workloads {
			if ok, _ := plan.CanDo(plan.Wrk, w); ok {
				asked.Workloads = append(asked.Workloads, w)
			}
		}
		if len(asked.Workloads) == 0 {
			continue
		}
		change(&asked)
		for _, loop := range []string{result.Closed, result.Open} {
			e := asked
			e.Name, e.Loops, e.Generators = loop, []string{loop}, []string{Ours}
			if x.Name != "" {
				e.Name = x.Name + ", " + loop
			}
			if loop == result.Open {
				e.Rate = rate
			}
			for _, g := range peers[loop] {
				if absent[g] == "" {
					e.Generators = append(e.Generators, g)
				}
			}
			if len(e.Generators) > 1 {
				cfg.Experiments = append(cfg.Experiments, &e)
			}
		}
	}
	return cfg
}
