package plan

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/tierbench/tierbench/loadtest/result"
)

// A Plan is what a run will measure.
type Plan struct {
	Config *Config
	Models []result.Info // in the order of the config
	Cells  []result.Key  // in the order of the config
	// Workload of each cell.
	workloads map[result.Key]Workload
}

// A Step is one repeat of one cell.
type Step struct {
	result.Key
	Workload Workload
	Repeat   int // from 1
}

// Limit is the most clients that this host can hold, and why.
type Limit struct {
	Clients int64
	Why     string
}

// Make checks a config against the models that are built in and against what
// this host can hold, and lists its cells. Mistakes are Errors, as from Parse.
func Make(cfg *Config, builtin []result.Info, limit Limit) (*Plan, error) {
	d := &decoder{file: cfg.File, places: cfg.places}
	p := &Plan{Config: cfg, workloads: map[result.Key]Workload{}}
	names := make([]string, 0, len(builtin)+len(cfg.Commands))
	for _, m := range builtin {
		names = append(names, m.Name)
		if _, both := cfg.Commands[m.Name]; both {
			at := "commands." + m.Name
			d.fail(d.places[at], at, "is the name of a built-in model; give the server another")
		}
	}
	for name := range cfg.Commands {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range cfg.Models {
		if n := slices.IndexFunc(builtin, func(m result.Info) bool { return m.Name == name }); n >= 0 {
			p.Models = append(p.Models, builtin[n])
		} else if c, ok := cfg.Commands[name]; ok {
			p.Models = append(p.Models, result.Info{Name: name, Doc: c.Doc, Command: c.Run})
		} else {
			at := fmt.Sprintf("models[%d]", i)
			d.fail(d.places[at], at, fmt.Sprintf("%q is neither built in nor among commands; allowed: %s", name, strings.Join(names, ", ")))
		}
	}
	for i, n := range cfg.Clients {
		if int64(n) > limit.Clients {
			at := fmt.Sprintf("clients[%d]", i)
			d.fail(d.places[at], at, fmt.Sprintf("%d is more than this host can hold; allowed: 1 to %d (%s)", n, limit.Clients, limit.Why))
		}
	}
	for i, w := range cfg.Workloads {
		if cfg.Generator == "wrk" && (w.Protocol != "http" || w.Workload != "plaintext") {
			at := fmt.Sprintf("workloads[%d]", i)
			d.fail(d.places[at], at, fmt.Sprintf("wrk cannot do %s; allowed: http/plaintext", w))
		}
	}
	for i, r := range cfg.Ratios {
		for _, side := range []struct{ key, name string }{{"model", r.Model}, {"peer", r.Peer}} {
			if !slices.Contains(cfg.Models, side.name) {
				at := fmt.Sprintf("ratios[%d].%s", i, side.key)
				d.fail(d.places[at], at, fmt.Sprintf("%q is not measured; allowed: %s", side.name, strings.Join(cfg.Models, ", ")))
			}
		}
	}
	if err := d.err(); err != nil {
		return nil, err
	}
	for _, w := range cfg.Workloads {
		for _, n := range cfg.Clients {
			for _, m := range cfg.Models {
				if c, ok := cfg.Commands[m]; ok && len(c.Protocols) > 0 && !slices.Contains(c.Protocols, w.Protocol) {
					continue
				}
				k := result.Key{Model: m, Protocol: w.Protocol, Workload: w.Workload, Clients: n, Loop: cfg.Loop}
				p.Cells = append(p.Cells, k)
				p.workloads[k] = w
			}
		}
	}
	return p, nil
}

// Without leaves out the cells of models that cannot be started here.
func (p *Plan) Without(absent map[string]string) {
	p.Cells = slices.DeleteFunc(p.Cells, func(k result.Key) bool { _, gone := absent[k.Model]; return gone })
}

// Steps is the order of measuring. Every cell comes once before any comes a
// second time, so that a machine that drifts drifts for all alike. Within such a
// round the models of one workload and tier follow each other, since it is they
// that are compared and a minute later the machine may be another; which tier
// comes when, and in what order its models, is shuffled anew for each round. The
// same seed gives the same order.
func (p *Plan) Steps() []Step {
	type tier struct {
		Workload
		clients int
	}
	var tiers []tier
	cells := map[tier][]result.Key{}
	for _, k := range p.Cells {
		t := tier{p.workloads[k], k.Clients}
		if cells[t] == nil {
			tiers = append(tiers, t)
		}
		cells[t] = append(cells[t], k)
	}
	var steps []Step
	for repeat := 1; repeat <= p.Config.Repeats; repeat++ {
		rng := rand.New(rand.NewPCG(p.Config.Seed, uint64(repeat)))
		for _, i := range rng.Perm(len(tiers)) {
			of := cells[tiers[i]]
			for _, j := range rng.Perm(len(of)) {
				steps = append(steps, Step{Key: of[j], Workload: tiers[i].Workload, Repeat: repeat})
			}
		}
	}
	return steps
}
