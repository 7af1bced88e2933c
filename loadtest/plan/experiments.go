package plan

import (
	"maps"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/tierbench/tierbench/loadtest/result"
)

// config decodes a whole file.
func (d *decoder) config(cfg *Config, root ast.Node) {
	base := &Experiment{
		Generators: []string{Vegeta}, Loops: []string{result.Closed},
		Warmup: 500 * time.Millisecond, Duration: 2 * time.Second,
		Repeats: 3, ConnectRate: 5000,
	}
	var list ast.Node
	known := d.experiment(base)
	maps.Copy(known, fields{
		"title":       d.text(&cfg.Title),
		"commands":    d.commands(&cfg.Commands),
		"seed":        func(n ast.Node, path string) { cfg.Seed = uint64(d.int(n, path, 0, 1<<53)) },
		"ratios":      d.list(func(n ast.Node, path string) { d.ratio(n, path, &cfg.Ratios) }),
		"trials":      d.list(func(n ast.Node, path string) { d.trial(n, path, &cfg.Trials) }),
		"slo":         d.list(func(n ast.Node, path string) { d.slo(n, path, &cfg.SLOs) }),
		"experiments": func(n ast.Node, path string) { list = n },
	})
	d.mapping(root, "", known)
	if list == nil {
		cfg.Experiments = []*Experiment{base}
		d.check(base, root)
	} else {
		// The values at the top level are the defaults of every experiment.
		d.list(func(n ast.Node, path string) {
			e := *base
			e.path = path
			sub := d.experiment(&e)
			sub["name"] = d.text(&e.Name)
			d.mapping(n, path, sub)
			if e.Name == "" && !d.failed(path) {
				d.failAt(n, path+".name", "is missing; reports show the experiment under this name")
			}
			d.check(&e, n)
			cfg.Experiments = append(cfg.Experiments, &e)
		})(list, "experiments")
		if len(cfg.Experiments) == 0 && !d.failed("experiments") {
			d.failAt(list, "experiments", "is empty; it needs at least one entry")
		}
	}
}

// experiment returns the fields of an experiment.
func (d *decoder) experiment(e *Experiment) fields {
	// A list in an experiment replaces the default list instead of extending it.
	reset := func(empty func(), f decode) decode {
		return func(n ast.Node, path string) {
			empty()
			f(n, path)
		}
	}
	return fields{
		"generator":    d.oneOrMore(&e.Generators, generators),
		"models":       reset(func() { e.Models = nil }, d.texts(&e.Models)),
		"workloads":    reset(func() { e.Workloads = nil }, d.list(func(n ast.Node, path string) { d.workload(n, path, &e.Workloads) })),
		"clients":      reset(func() { e.Clients = nil }, d.list(func(n ast.Node, path string) { e.Clients = append(e.Clients, d.int(n, path, 1, maxClients)) })),
		"loop":         d.oneOrMore(&e.Loops, []string{result.Closed, result.Open}),
		"rate":         d.rate(&e.Rate),
		"shape":        d.shape(&e.Shape),
		"warmup":       d.duration(&e.Warmup, 0, maxDuration),
		"duration":     d.duration(&e.Duration, 100*time.Millisecond, maxDuration),
		"requests":     func(n ast.Node, path string) { e.Requests = int64(d.int(n, path, 1, maxRequests)) },
		"repeats":      func(n ast.Node, path string) { e.Repeats = d.int(n, path, 1, maxRepeats) },
		"connect_rate": func(n ast.Node, path string) { e.ConnectRate = d.number(n, path, 1, maxConnectRate) },
		"active":       d.share(&e.Active),
		"connection": func(n ast.Node, path string) {
			var how string
			d.oneOf(&how, []string{"keep-alive", "per-request"})(n, path)
			e.PerRequest = how == "per-request"
		},
		"cpus":        d.cpus(&e.CPUs),
		"server_args": reset(func() { e.ServerArgs = nil }, d.texts(&e.ServerArgs)),
		"setting":     d.text(&e.Setting),
		"fault":       d.fault(&e.Fault),
		"a_a":         d.boolean(&e.AA),
		"hold":        d.duration(&e.Hold, 100*time.Millisecond, maxDuration),
	}
}
