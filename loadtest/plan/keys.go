package plan

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/quantity"
	"github.com/tierbench/tierbench/loadtest/result"
)

// config is a whole file.
func (d *decoder) config(cfg *Config) value {
	defaults := Experiment{
		Generators: []string{Vegeta}, Loops: []string{result.Closed},
		Warmup: 500 * time.Millisecond, Duration: 2 * time.Second,
		Repeats: 3, ConnectRate: 5000,
	}
	known := fields{
		{"title", d.text(&cfg.Title)},
		{"seed", always(whole(d, &cfg.Seed, 0, 1<<53))},
		{"commands", d.commands(&cfg.Commands)},
		{"ratios", list(d, &cfg.Ratios, d.ratio)},
		{"trials", d.trials(&cfg.Trials)},
		{"slo", list(d, &cfg.SLOs, d.slo)},
	}
	// The keys of an experiment stand at the top level if it is the only one. In a
	// file with several, those at the top level are the defaults of all.
	top := defaults
	if e := cfg.Experiments; len(e) == 1 && e[0].Name == "" {
		top, cfg.Experiments = e[0].or(defaults), nil
	}
	if len(cfg.Experiments) == 0 {
		known = append(known, d.experiment(&top)...)
	}
	known = append(known, field{"experiments", list(d, &cfg.Experiments, func(e **Experiment) value {
		own := top
		if *e != nil {
			own = (*e).or(defaults)
		}
		*e = &own
		return after(d.mapping(append(fields{{"name", d.text(&own.Name)}}, d.experiment(&own)...)), func(path string) {
			if own.path = path; own.Name == "" && !d.failed(path) {
				d.missing(path, "name", "; reports show the experiment under this name")
			}
			d.check(&own)
		})
	})})
	return after(d.mapping(known), func(string) {
		if !d.there("experiments") {
			cfg.Experiments = []*Experiment{&top}
			d.check(&top)
		} else if len(cfg.Experiments) == 0 && !d.failed("experiments") {
			d.fail("experiments", "is empty; it needs at least one entry")
		}
	})
}

// or returns a copy of the experiment with the defaults of a file.
func (e Experiment) or(defaults Experiment) Experiment {
	if len(e.Generators) == 0 {
		e.Generators = defaults.Generators
	}
	if len(e.Loops) == 0 {
		e.Loops = defaults.Loops
	}
	e.ConnectRate = cmp.Or(e.ConnectRate, defaults.ConnectRate)
	e.path = ""
	return e
}

func (d *decoder) experiment(e *Experiment) fields {
	return fields{
		{"models", d.texts(&e.Models)},
		{"workloads", list(d, &e.Workloads, d.workload)},
		{"clients", list(d, &e.Clients, func(n *int) value { return whole(d, n, 1, maxClients) })},
		{"generator", d.oneOrMore(&e.Generators, generators)},
		{"loop", d.oneOrMore(&e.Loops, loops)},
		{"rate", d.rate(&e.Rate)},
		{"shape", d.shape(&e.Shape)},
		{"warmup", always(d.duration(&e.Warmup, 0, maxDuration))},
		{"duration", always(d.duration(&e.Duration, 100*time.Millisecond, maxDuration))},
		{"hold", d.duration(&e.Hold, 100*time.Millisecond, maxDuration)},
		{"requests", whole(d, &e.Requests, 1, maxRequests)},
		{"repeats", always(whole(d, &e.Repeats, 1, maxRepeats))},
		{"connect_rate", d.number(&e.ConnectRate, 1, maxConnectRate)},
		{"active", d.share(&e.Active)},
		{"connection", d.choice(&e.PerRequest, "keep-alive", "per-request")},
		{"cpus", d.cpus(&e.CPUs)},
		{"box", d.box(&e.Box)},
		{"server_args", d.texts(&e.ServerArgs)},
		{"setting", d.text(&e.Setting)},
		{"fault", d.fault(&e.Fault)},
		{"a_a", d.boolean(&e.AA)},
	}
}

// commands is a mapping whose keys are the names of servers.
func (d *decoder) commands(to *map[string]Command) value {
	return value{
		visit: func(n ast.Node, path string) any {
			names, nodes := d.pairs(n, path)
			if n == nil {
				names = slices.Sorted(maps.Keys(*to))
			}
			var out yaml.MapSlice
			all := map[string]Command{}
			for _, name := range names {
				c := (*to)[name]
				out = append(out, yaml.MapItem{Key: name, Value: d.visit(nodes[name], join(path, name), d.command(&c))})
				all[name] = c
			}
			*to = all
			return out
		},
		zero: func() bool { return len(*to) == 0 },
	}
}

var (
	placeholders = []string{"{addr}", "{host}", "{port}", "{protocol}", "{cpus}"}
	placeholder  = regexp.MustCompile(`\{[a-z_]+\}`)
)

func (d *decoder) command(c *Command) value {
	argument := func(arg *string) value {
		return d.then(d.text(arg), func(path string) {
			for _, word := range placeholder.FindAllString(*arg, -1) {
				if !slices.Contains(placeholders, word) {
					d.fail(path, "unknown placeholder %s; allowed: %s", word, strings.Join(placeholders, ", "))
				}
			}
		})
	}
	return d.then(d.mapping(fields{
		{"doc", d.text(&c.Doc)},
		{"run", list(d, &c.Run, argument)},
		{"protocols", list(d, &c.Protocols, func(p *string) value { return d.oneOf(p, protocols) })},
		{"closes_each", d.boolean(&c.ClosesEach)},
		{"box", d.box(&c.Box)},
	}), func(path string) {
		if len(c.Run) == 0 {
			d.missing(path, "run", "; it is the argument list of the server")
		}
	})
}

// workload is a request, or a mix of several.
func (d *decoder) workload(w *Workload) value {
	var one load.Request
	var mix []load.Request
	if len(w.Requests) == 1 {
		one = w.Requests[0]
	} else {
		mix = w.Requests
	}
	entries := list(d, &mix, func(r *load.Request) value {
		return d.then(d.mapping(d.request(r)), func(path string) { d.checkRequest(path, w.Protocol, r, true) })
	})
	several := value{zero: entries.zero, visit: func(n ast.Node, path string) (out any) {
		alone := load.Request{Weight: one.Weight}
		switch {
		case d.failed(strings.TrimSuffix(path, ".mix")) || w.Protocol == "":
		case one != alone || one.Weight > 1:
			d.fail(path, "cannot be combined with workload, payload_bytes, time, weight or clients")
		default:
			out = entries.visit(n, path)
			w.Requests = mix
			d.checkMix(path, mix)
		}
		return out
	}}
	return d.then(d.mapping(slices.Concat(
		fields{{"protocol", d.oneOf(&w.Protocol, protocols)}}, d.request(&one), fields{{"mix", several}},
	)), func(path string) {
		switch {
		case w.Protocol == "":
			d.missing(path, "protocol", "; allowed: %s", strings.Join(protocols, ", "))
		case d.there(path + ".mix"):
		case one.Clients > 0:
			d.fail(path+".clients", "is only for the entries of a mix; the number of clients of a whole workload is set by the experiment's clients")
		default:
			d.checkRequest(path, w.Protocol, &one, false)
			w.Requests = []load.Request{one}
		}
	})
}

func (d *decoder) request(r *load.Request) fields {
	longest := time.Duration(0)
	for _, w := range load.Workloads {
		longest = max(longest, w.Time.Max)
	}
	weight := whole(d, &r.Weight, 1, maxWeight)
	weight.zero = func() bool { return r.Weight == 0 || r.Weight == 1 }
	return fields{
		{"workload", d.text(&r.Workload)},
		{"payload_bytes", whole(d, &r.PayloadBytes, 1, load.MaxPayloadBytes)},
		{"time", d.duration(&r.Time, time.Microsecond, longest)},
		{"weight", weight},
		{"clients", whole(d, &r.Clients, 1, maxClients)},
	}
}

func (d *decoder) shape(to *result.Shape) value {
	return d.then(replace(d, to, func(s *result.Shape) value {
		period := s.Period()
		return after(d.mapping(fields{
			{"kind", d.oneOf(&s.Kind, shapes)},
			{"to", d.rate(&s.To)},
			{"steps", whole(d, &s.Steps, 2, maxSteps)},
			{"amplitude", d.rate(&s.Amplitude)},
			{"period", d.duration(&period, time.Millisecond, maxDuration)},
		}), func(string) { s.PeriodSec = period.Seconds() })
	}), func(path string) {
		steps, ramps, sines := []string{result.Steps}, []string{result.Steps, result.Linear}, []string{result.Sine}
		d.checkParts(path, "shape", to.Kind, shapes, []part{
			{"steps", steps, steps}, {"to", ramps, ramps}, {"amplitude", sines, sines}, {"period", sines, sines},
		})
	})
}

var cpuSet = regexp.MustCompile(`^\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?)*$`)

// cpus is the word shared, or the sets of CPUs of server and generator.
func (d *decoder) cpus(to *CPUs) value {
	set := func(to *string) value {
		return scalar(d, to, codec[string]{
			allowed: `numbers of CPUs, such as "0-3,8"`,
			parse: func(n ast.Node) (string, bool) {
				switch n := n.(type) {
				case *ast.StringNode:
					return n.Value, true
				case *ast.IntegerNode:
					return n.Token.Value, true
				}
				return "", false
			},
			valid: cpuSet.MatchString,
		})
	}
	v := d.mapping(fields{{"server", set(&to.Server)}, {"generator", set(&to.Generator)}})
	return value{zero: v.zero, visit: func(n ast.Node, path string) any {
		switch s, isText := n.(*ast.StringNode); {
		case !isText:
			return v.visit(n, path)
		case s.Value == "shared":
			*to = CPUs{}
		default:
			d.fail(path, `is %s; allowed: shared, or the sets {server: "0", generator: "1"}`, describe(n))
		}
		return nil
	}}
}

func (d *decoder) box(to *result.Limits) value {
	return d.then(replace(d, to, func(l *result.Limits) value {
		return d.mapping(fields{
			{"memory", scalar(d, &l.MemoryBytes, codec[int64]{
				allowed: "a size from 1MiB, such as 64MiB or 1GiB",
				parse:   word(result.ParseMemory),
				write:   func(n int64) any { return result.Limits{MemoryBytes: n}.String() },
			})},
			{"cpus", scalar(d, &l.CPUs, codec[float64]{
				allowed: "a number of CPUs from 0.01, such as 1 or 0.5",
				parse:   func(n ast.Node) (float64, bool) { return result.ParseCPUs(n.GetToken().Value) },
			})},
		})
	}), func(path string) {
		if *to == (result.Limits{}) {
			d.fail(path, "has no limit; allowed: memory, cpus")
		}
	})
}

func (d *decoder) fault(to **Fault) value {
	f := new(Fault)
	if *to != nil {
		*f = **to
	}
	return d.then(replace(d, f, func(f *Fault) value {
		return d.mapping(fields{
			{"kind", d.oneOf(&f.Kind, faults)},
			{"at", d.duration(&f.At, beforeFault, maxDuration)},
			{"until", d.duration(&f.Until, beforeFault, maxDuration)},
			{"times", whole(d, &f.Times, 2, maxCrashes)},
			{"mb", whole(d, &f.LeakMB, 1, maxMB)},
			{"limit_mb", whole(d, &f.LimitMB, 1, maxMB)},
		})
	}), func(path string) {
		*to = f
		d.checkFault(path, f)
	})
}

// slo is an objective: its bounds, and the cells that they apply to.
func (d *decoder) slo(s *result.SLO) value {
	p99 := time.Duration(s.P99Sec*float64(time.Second) + 0.5)
	bounds := fields{
		{"p99", d.duration(&p99, time.Microsecond, maxDuration)},
		{"errors", scalar(d, &s.Errors, codec[*float64]{
			allowed: "a part of the requests, from 0% to 100%",
			parse: word(func(text string) (*float64, bool) {
				v, ok := quantity.Percent(text)
				return &v, ok
			}),
			valid: func(v *float64) bool { return *v >= 0 && *v <= 1 },
			write: func(v *float64) any { return percent(*v) },
		})},
		{"throughput", d.measure(&s.ThroughputRPS, maxRate, fmt.Sprintf("a rate up to %d/s, such as 500/s", maxRate), func(text string) (float64, bool) {
			return quantity.Parse(text, quantity.PerSecond)
		}, perSecond)},
		{"memory", d.measure(&s.MemoryBytes, maxBytes, "a size, such as 512MiB or 2GiB", quantity.Bytes, func(v float64) string { return decimal(v) + "B" })},
	}
	return d.then(d.mapping(append(fields{
		{"model", d.text(&s.Model)},
		{"protocol", d.oneOf(&s.Protocol, protocols)},
		{"workload", d.text(&s.Workload)},
		{"clients", whole(d, &s.Clients, 1, maxClients)},
		{"loop", d.oneOf(&s.Loop, loops)},
		{"setting", d.setting(&s.Setting)},
	}, bounds...)), func(path string) {
		s.P99Sec = p99.Seconds()
		if !slices.ContainsFunc(bounds, func(b field) bool { return d.there(path + "." + b.key) }) {
			d.fail(path, "has no bound; allowed: p99, errors, throughput, memory")
		}
	})
}

var metrics = []string{"throughput", "p99", "cpu", "memory", "generator-cpu"}

func (d *decoder) ratio(r *result.Ratio) value {
	return d.then(d.mapping(fields{
		{"model", d.text(&r.Model)},
		{"peer", d.text(&r.Peer)},
		{"metric", d.oneOf(&r.Metric, metrics)},
		{"protocol", d.oneOf(&r.Protocol, protocols)},
		{"workload", d.text(&r.Workload)},
		{"setting", d.setting(&r.Setting)},
		{"peer_setting", d.setting(&r.PeerSetting)},
		{"at_least", d.number(&r.AtLeast, 0, maxRatio)},
		{"at_most", d.number(&r.AtMost, 0, maxRatio)},
	}), func(path string) {
		for _, need := range [][2]string{{"model", r.Model}, {"peer", r.Peer}, {"metric", r.Metric}} {
			if need[1] == "" {
				d.missing(path, need[0], "")
			}
		}
	})
}

func (d *decoder) trials(to *[]Trial) value {
	return after(list(d, to, d.trial), func(path string) {
		names := make([]string, len(*to))
		for i, t := range *to {
			names[i] = t.Name
		}
		d.duplicates(path, ".name", names)
	})
}

func (d *decoder) trial(t *Trial) value {
	return d.then(d.mapping(fields{
		{"name", d.text(&t.Name)},
		{"run", d.texts(&t.Run)},
		{"variants", d.texts(&t.Variants)},
		{"increments", whole(d, &t.Increments, 1, maxRequests)},
		{"workers", whole(d, &t.Workers, 1, maxWorkers)},
		{"repeats", whole(d, &t.Repeats, 1, maxRepeats)},
	}), func(path string) {
		t.Workers, t.Repeats = cmp.Or(t.Workers, defaultWorkers), cmp.Or(t.Repeats, defaultTrialRepeats)
		if t.Name == "" {
			d.missing(path, "name", "; it tells the program which trial to run")
		}
		if len(t.Variants) == 0 {
			d.missing(path, "variants", "; it needs at least one entry")
		}
		d.duplicates(path+".variants", "", t.Variants)
	})
}
