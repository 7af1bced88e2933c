package plan

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

// A Plan is what a run will measure.
type Plan struct {
	Config *Config
	Models []result.Info // in the order of the config
	Cells  []Cell        // in the order of the config
}

// A Cell is one measured combination: its key, and what the names in the key stand for.
type Cell struct {
	Key        result.Key
	Model      result.Info
	Workload   Workload
	Generator  string
	Experiment *Experiment
}

// Difference returns the name of the first option by which two cells of the same
// key are measured differently, "" if there is none.
func (c *Cell) Difference(o *Cell) string {
	if !slices.Equal(c.Model.Command, o.Model.Command) {
		return "run"
	}
	a, b := c.Experiment.options(), o.Experiment.options()
	for _, key := range []string{"warmup", "duration", "hold", "requests", "connect_rate", "active", "connection", "server_args", "shape", "fault"} {
		if !reflect.DeepEqual(a[key], b[key]) {
			return key
		}
	}
	return ""
}

// options returns what a config has for each key of an experiment.
func (e Experiment) options() map[string]any {
	all := map[string]any{}
	d := &decoder{places: map[string]place{}}
	for _, f := range d.experiment(&e) {
		if !f.zero() {
			all[f.key] = d.visit(nil, f.key, f.value)
		}
	}
	return all
}

// PerRequest reports whether the cell's clients open a connection for each
// request, because the config asks for it or because the model closes each one.
func (c *Cell) PerRequest() bool { return c.Experiment.PerRequest || c.Model.ClosesEach }

// Population returns the cell's clients.
func (c *Cell) Population() load.Population {
	return load.Population{
		Clients: c.Key.Clients, Active: c.Experiment.Active.Of(c.Key.Clients),
		PerRequest: c.PerRequest(), ConnectRate: c.Experiment.ConnectRate,
	}
}

// Work returns what the cell's clients do. Capacity is the cell's closed-loop
// throughput in requests a second, needed for a rate that is a fraction of it.
func (c *Cell) Work(capacity float64) load.Work {
	e := c.Experiment
	w := load.Work{Loop: c.Key.Loop, Warmup: e.Warmup, Length: e.Duration, Requests: e.Requests}
	if f := e.Fault; f != nil {
		w.Fault = &load.Fault{At: f.At}
		if f.Kind == Stop {
			w.Fault.Until = f.Until
		}
	}
	switch {
	case c.Key.Workload == result.Idle:
		w.Loop, w.Warmup = "", 0
		if e.Hold > 0 {
			w.Length = e.Hold
		}
	case w.Loop == result.Open:
		of := func(r result.Rate) float64 { return r.Of(c.Key.Clients, capacity) }
		w.Pace = load.Pace{
			Shape: e.Shape.Kind, Rate: of(e.Rate), To: of(e.Shape.To), N: e.Shape.Steps,
			Amplitude: of(e.Shape.Amplitude), Period: e.Shape.Period(),
		}
	}
	return w
}

// Closed returns the key of the same cell in the closed loop.
func (c *Cell) Closed() result.Key {
	k := c.Key
	k.Loop, k.Rate = result.Closed, result.Schedule{}
	return k
}

// A Step is one repeat of one cell.
type Step struct {
	*Cell
	Repeat int // from 1
	// Phase prolongs the warm-up, by up to half of it. It is drawn by the seed, so that the
	// windows do not all begin at the same phase of what the server does.
	Phase time.Duration
}

// Limit is the most clients that this host can carry, and the reason.
type Limit struct {
	Clients int64
	Why     string
	// Of returns how many clients a model can carry in an experiment, and the
	// reason. If it is nil, only Clients limits a model.
	Of func(result.Info, *Experiment) (clients int64, why string)
}

// Make checks a config against the built-in models and against the limit of this
// host, and lists its cells. Mistakes are returned as Errors, as by Parse.
func Make(cfg *Config, builtin []result.Info, limit Limit) (*Plan, error) {
	d := &decoder{file: cfg.File, places: cfg.places}
	p := &Plan{Config: cfg}
	known := slices.Clone(builtin)
	for name, c := range cfg.Commands {
		if slices.ContainsFunc(builtin, func(m result.Info) bool { return m.Name == name }) {
			d.fail("commands."+name, "is the name of a built-in model; choose another name")
			continue
		}
		known = append(known, result.Info{Name: name, Doc: c.Doc, Command: c.Run, ClosesEach: c.ClosesEach})
	}
	for _, e := range cfg.Experiments {
		p.findModels(d, e, known)
		d.checkClients(e, known, limit)
		d.checkWorkloads(e)
	}
	used := names(p.Models)
	for i, r := range cfg.Ratios {
		for _, side := range []struct{ key, name string }{{"model", r.Model}, {"peer", r.Peer}} {
			if !slices.Contains(used, side.name) {
				d.fail(fmt.Sprintf("ratios[%d].%s", i, side.key), "%q is not measured; allowed: %s", side.name, strings.Join(used, ", "))
			}
		}
	}
	if err := d.err(); err != nil {
		return nil, err
	}
	if p.list(d); len(d.errs) == 0 {
		for i := range cfg.SLOs {
			if !p.Has(&cfg.SLOs[i]) {
				d.fail(fmt.Sprintf("slo[%d]", i), "matches no cell of the plan; check its model, protocol, workload, clients, loop and setting")
			}
		}
	}
	if err := d.err(); err != nil {
		return nil, err
	}
	return p, nil
}

// Has reports whether an objective applies to one of the cells.
func (p *Plan) Has(s *result.SLO) bool {
	return slices.ContainsFunc(p.Cells, func(c Cell) bool { return s.Of(&c.Key) })
}

func names(models []result.Info) (all []string) {
	for _, m := range models {
		all = append(all, m.Name)
	}
	return all
}

// findModels adds the models of an experiment to those of the plan.
func (p *Plan) findModels(d *decoder, e *Experiment, known []result.Info) {
	for i, name := range e.Models {
		n := slices.IndexFunc(known, func(m result.Info) bool { return m.Name == name })
		switch {
		case n < 0:
			allowed := slices.Sorted(slices.Values(names(known)))
			d.rule(e, true, fmt.Sprintf("models[%d]", i), "%q is neither built in nor among commands; allowed: %s", name, strings.Join(allowed, ", "))
		case !slices.Contains(names(p.Models), name):
			p.Models = append(p.Models, known[n])
		}
	}
}

// checkClients checks that this host and the models of an experiment can carry its
// clients.
func (d *decoder) checkClients(e *Experiment, known []result.Info, limit Limit) {
	for i, n := range e.Clients {
		key := fmt.Sprintf("clients[%d]", i)
		d.rule(e, int64(n) > limit.Clients, key, "%d is more than this host can hold; allowed: 1 to %d (%s)", n, limit.Clients, limit.Why)
		for _, m := range known {
			if limit.Of != nil && slices.Contains(e.Models, m.Name) {
				most, why := limit.Of(m, e)
				d.rule(e, int64(n) > most, key, "%d is more than %s can hold on this host; allowed: 1 to %d (%s)", n, m.Name, most, why)
			}
		}
		d.rule(e, e.Active.N > n, "active", "%d is more than the number of clients; allowed: 1 to %d", e.Active.N, n)
	}
}

// checkWorkloads checks that an experiment has enough clients for its mixes, and
// that its generators can drive its workloads.
func (d *decoder) checkWorkloads(e *Experiment) {
	for i, w := range e.Workloads {
		key := fmt.Sprintf("workloads[%d]", i)
		own := 0
		for _, r := range w.Requests {
			own += r.Clients
		}
		for _, n := range e.Clients {
			active := e.Active.Of(n)
			d.rule(e, own >= active, key, "its mix gives %d clients a request of their own, which leaves none of the %d clients for the first request; allowed: up to %d", own, active, active-1)
		}
		for _, g := range e.Generators {
			ok, allowed := CanDo(g, w)
			d.rule(e, !ok, key, "%s cannot do %s; allowed: %s", g, w, allowed)
		}
	}
}

// list makes the cells. Two cells with the same key are a mistake.
func (p *Plan) list(d *decoder) {
	seen := map[result.Key]*Experiment{}
	several := p.severalGenerators()
	for _, e := range p.Config.Experiments {
		for _, w := range e.Workloads {
			for _, n := range e.Clients {
				for _, g := range e.Generators {
					for _, m := range p.Models {
						if !slices.Contains(e.Models, m.Name) {
							continue
						}
						if c := p.Config.Commands[m.Name]; len(c.Protocols) > 0 && !slices.Contains(c.Protocols, w.Protocol) {
							continue
						}
						setting := e.setting(g, several)
						setting.Box = e.Box
						if own := p.Config.Commands[m.Name].Box; own != (result.Limits{}) {
							setting.Box = own
						}
						keys := e.keys(m.Name, w, n, setting)
						if e.AA {
							setting.AA = true
							keys = append(keys, e.keys(m.Name, w, n, setting)...)
						}
						for _, k := range keys {
							if other := seen[k]; other != nil {
								d.failAt(e.path, join(e.path, "setting"), "%v is also a cell of %s; give one of the two a setting", k, other.path)
								return
							}
							seen[k] = e
							p.Cells = append(p.Cells, Cell{Key: k, Model: m, Workload: w, Generator: g, Experiment: e})
						}
					}
				}
			}
		}
	}
}

func (p *Plan) severalGenerators() bool {
	first := p.Config.Experiments[0].Generators[0]
	return slices.ContainsFunc(p.Config.Experiments, func(e *Experiment) bool {
		return slices.ContainsFunc(e.Generators, func(g string) bool { return g != first })
	})
}

// keys returns the keys of one model, workload and number of clients: one for each
// loop. The closed loop comes first, as the rate of the open loop may depend on its
// throughput.
func (e *Experiment) keys(model string, w Workload, clients int, setting result.Setting) (keys []result.Key) {
	k := result.Key{Model: model, Protocol: w.Protocol, Workload: w.Name(), Clients: clients, Loop: result.Closed, Setting: setting}
	if slices.Contains(e.Loops, result.Closed) || k.Workload == result.Idle {
		keys = append(keys, k)
	}
	if slices.Contains(e.Loops, result.Open) && k.Workload != result.Idle {
		k.Loop, k.Rate = result.Open, result.Schedule{Rate: e.Rate, Shape: e.Shape}.Rounded()
		keys = append(keys, k)
	}
	return keys
}

// setting returns what an experiment does differently from the default. Parts named
// in Experiment.Setting become typed fields, so that a ratio or an objective that
// gives the same text finds the cells.
func (e *Experiment) setting(generator string, several bool) result.Setting {
	name := e.Setting
	if name == "" {
		name = strings.TrimLeft(strings.Join(e.ServerArgs, " "), "-")
	}
	s := result.ParseSetting(name)
	if several {
		s.Generator = generator
	}
	if e.Fault != nil {
		s.Fault = e.Fault.Kind
	}
	if (e.Active != result.Share{}) {
		s.Active = e.Active.Rounded()
	}
	s.PerRequest = s.PerRequest || e.PerRequest
	s.ServerCPUs = cmp.Or(e.CPUs.Server, s.ServerCPUs)
	s.GeneratorCPUs = cmp.Or(e.CPUs.Generator, s.GeneratorCPUs)
	return s
}

// Keys returns the keys of the cells.
func (p *Plan) Keys() []result.Key {
	keys := make([]result.Key, len(p.Cells))
	for i := range p.Cells {
		keys[i] = p.Cells[i].Key
	}
	return keys
}

// Generators returns the generators that the plan needs, in the order of the config.
func (p *Plan) Generators() (all []string) {
	for i := range p.Cells {
		if g := p.Cells[i].Generator; !slices.Contains(all, g) {
			all = append(all, g)
		}
	}
	return all
}

// Without removes the trials, and the cells of models and generators, that are
// absent from this machine. Absent is keyed by their names.
func (p *Plan) Without(absent map[string]string) {
	p.Config.Trials = slices.DeleteFunc(p.Config.Trials, func(t Trial) bool {
		_, trial := absent[result.AbsentTrial(t.Name)]
		return trial
	})
	p.Cells = slices.DeleteFunc(p.Cells, func(c Cell) bool {
		_, model := absent[c.Key.Model]
		_, generator := absent[c.Generator]
		return model || generator
	})
}

// Estimate returns roughly how long a step takes.
func (s Step) Estimate() time.Duration {
	ramp := time.Duration(float64(s.Key.Clients) / s.Experiment.ConnectRate * float64(time.Second))
	w := s.Work(1)
	return w.Warmup + w.Length + ramp + 700*time.Millisecond
}

// Steps returns the order of measuring. Every cell is measured once before any is
// measured a second time, so that a drift of the machine affects all of them alike.
// Within such a round, the models of one workload and tier follow each other: they
// are the ones that are compared, and a minute later the machine may behave
// differently. Each round shuffles the tiers, and the models of each tier. The two
// loops of a model follow each other, the closed one first. The two measurements of
// an A/A pair follow each other in random order. The same seed gives the same order and phases.
func (p *Plan) Steps() (steps []Step) {
	type tier struct {
		experiment *Experiment
		workload   string
		clients    int
	}
	all := make([]*Cell, len(p.Cells))
	most := 0
	for i := range p.Cells {
		all[i] = &p.Cells[i]
		most = max(most, all[i].Experiment.Repeats)
	}
	phases := rand.New(rand.NewPCG(p.Config.Seed, 0))
	tiers := groups(all, func(c *Cell) tier { return tier{c.Experiment, c.Workload.String(), c.Key.Clients} })
	for repeat := 1; repeat <= most; repeat++ {
		rng := rand.New(rand.NewPCG(p.Config.Seed, uint64(repeat)))
		for _, i := range rng.Perm(len(tiers)) {
			units := groups(tiers[i], func(c *Cell) result.Key { // measured without a break
				k := result.Key{Model: c.Key.Model, Setting: c.Key.Setting}
				k.Setting.AA = false
				return k
			})
			e := tiers[i][0].Experiment
			for _, j := range rng.Perm(len(units)) {
				if repeat > e.Repeats {
					continue
				}
				of := units[j]
				if n := len(of) / 2; e.AA && rng.IntN(2) == 1 {
					of = slices.Concat(of[n:], of[:n])
				}
				for _, c := range of {
					phase := time.Duration(phases.Int64N(int64(c.Experiment.Warmup/2) + 1))
					steps = append(steps, Step{Cell: c, Repeat: repeat, Phase: phase})
				}
			}
		}
	}
	return steps
}

// groups divides cells into those of the same key, in the order of the first of each.
func groups[K comparable](cells []*Cell, key func(*Cell) K) (all [][]*Cell) {
	index := map[K]int{}
	for _, c := range cells {
		i, ok := index[key(c)]
		if !ok {
			i = len(all)
			index[key(c)], all = i, append(all, nil)
		}
		all[i] = append(all[i], c)
	}
	return all
}
