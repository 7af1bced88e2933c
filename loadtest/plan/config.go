// Package plan turns a config file into the list of cells to measure, in the
// order in which they are measured. Every mistake in the file is found before
// anything starts, and named with its place and what is allowed.
package plan

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

// A Config is a file under configs/: what to measure.
type Config struct {
	File string // as it was given
	Text string // of the file
	Name string // the file's base name without its extension

	Title       string
	Commands    map[string]Command // servers that are not built in, by name
	Seed        uint64
	Ratios      []result.Ratio
	Trials      []Trial
	SLOs        []result.SLO
	Experiments []*Experiment // one, unless the config lists several

	places map[string]place // of each value, by its path
}

// An Experiment is a set of cells that are measured alike: every model with
// every workload, at every number of clients, in every loop.
type Experiment struct {
	Name        string // empty for the only one of a config
	Models      []string
	Workloads   []Workload
	Clients     []int
	Generators  []string // see Generators
	Loops       []string
	Rate        Rate      // of the open loop
	Pace        load.Pace // its shape; Rate, To and Amplitude are set for each repeat
	Shape       Shape     // what the config says of them
	Warmup      time.Duration
	Duration    time.Duration
	Requests    int64
	Repeats     int
	ConnectRate float64 // connections a second
	Active      Share
	PerRequest  bool
	CPUs        CPUs
	ServerArgs  []string // for built-in models
	Setting     string   // what the arguments are called in keys; themselves if empty
	Fault       *Fault   // what is done to the server in the window; nil: nothing is
	// AA has each cell measured twice, the second under a setting of that name,
	// so that what two measurements of the same differ by is known.
	AA bool
	// Hold is the length of the window of the idle workload; Duration if 0.
	Hold time.Duration

	path string // in the file, "" for the base
}

// A Command is a server in any language, under the contract of the README.
type Command struct {
	Doc       string
	Run       []string // {addr}, {host}, {port}, {protocol} and {cpus} are filled in
	Protocols []string // that it speaks; all if empty
	// ClosesEach says that it closes each connection behind one answer.
	ClosesEach bool
}

// A Workload is what is asked over which protocol.
type Workload struct {
	Protocol string
	Requests []load.Request // of a mix, several
}

// Plaintext is the least that can be asked for over HTTP.
var Plaintext = Workload{Protocol: "http", Requests: []load.Request{{Workload: "plaintext", Weight: 1}}}

// Name is the workload's in keys: what is asked, with its time, and in a mix
// the shares of the others behind the first, or how many clients ask for them.
func (w Workload) Name() string {
	total := 0
	for _, r := range w.Requests {
		total += r.Weight
	}
	var parts []string
	for i, r := range w.Requests {
		s := r.Name()
		switch {
		case r.Clients > 0:
			s = fmt.Sprintf("%dx%s", r.Clients, s)
		case i > 0:
			s = strconv.FormatFloat(100*float64(r.Weight)/float64(total), 'g', 3, 64) + "%" + s
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, "+")
}

// ByClients tells whether it is a mix in which requests have clients of their
// own, all but the first.
func (w Workload) ByClients() bool {
	return slices.ContainsFunc(w.Requests, func(r load.Request) bool { return r.Clients > 0 })
}

func (w Workload) String() string { return w.Protocol + "/" + w.Name() }

// A Rate is that of an open loop. One of its fields is set.
type Rate struct {
	PerSecond float64
	PerClient float64 // a second
	Capacity  float64 // as a fraction of the cell's closed-loop throughput
}

func (r Rate) String() string {
	number := func(f float64) string { return strconv.FormatFloat(f, 'g', 6, 64) }
	switch {
	case r.PerClient > 0:
		return number(r.PerClient) + "/s per client"
	case r.Capacity > 0:
		return number(100*r.Capacity) + "%"
	case r.PerSecond > 0:
		return number(r.PerSecond) + "/s"
	}
	return ""
}

// Of is the rate in requests a second. Capacity is the cell's.
func (r Rate) Of(clients int, capacity float64) float64 {
	return r.PerSecond + r.PerClient*float64(clients) + r.Capacity*capacity
}

// A Shape is how the rate of an open loop changes over the window.
type Shape struct {
	Kind      string // of load.Pace; empty is constant
	To        Rate   // steps, linear
	Steps     int
	Amplitude Rate // sine
	Period    time.Duration
}

func (s Shape) String() string {
	switch s.Kind {
	case load.Steps:
		return fmt.Sprintf("%d steps to %v", s.Steps, s.To)
	case load.Linear:
		return fmt.Sprintf("linear to %v", s.To)
	case load.Sine:
		return fmt.Sprintf("sine of %v in %v", s.Amplitude, s.Period)
	}
	return ""
}

// A Share is a number of clients, or a fraction of them.
type Share struct {
	N        int
	Fraction float64
}

// Of is the share of n clients: at least one; n if the share says nothing.
func (s Share) Of(n int) int {
	switch {
	case s.Fraction > 0:
		return max(1, int(s.Fraction*float64(n)+0.5))
	case s.N > 0:
		return min(s.N, n)
	}
	return n
}

func (s Share) String() string {
	if s.Fraction > 0 {
		return strconv.FormatFloat(100*s.Fraction, 'g', 6, 64) + "%"
	}
	return strconv.Itoa(s.N)
}

// CPUs are the sets that server and generator are bound to, such as "0-3,8";
// empty is all.
type CPUs struct {
	Server, Generator string
}

// Generators that can make the load.
const (
	Vegeta = "vegeta" // the project's own, on vegeta
	Stock  = "stock"  // vegeta as its library is used by most: a peer
	Wrk    = "wrk"    // with one thread
	WrkAll = "wrk-t"  // with a thread for each core
	// WrkSame has as many threads as the project's own generator has attackers.
	WrkSame = "wrk-same"
	Oha     = "oha"  // https://github.com/hatoo/oha
	Wrk2    = "wrk2" // https://github.com/giltene/wrk2: the open loop only
)

// What a config may say.
var (
	generators = []string{Vegeta, Stock, Wrk, WrkAll, WrkSame, Oha, Wrk2}
	protocols  = []string{"http", "echo"}
	workloads  = map[string][]string{
		"http": {"plaintext", "echo", "wait", "block", "cpu", "counter", result.Idle},
		"echo": {"echo", result.Idle},
	}
	timed   = []string{"wait", "block", "cpu"}
	metrics = []string{"throughput", "p99", "cpu", "memory", "generator-cpu"}
	shapes  = []string{load.Constant, load.Steps, load.Linear, load.Sine}

	placeholders = []string{"{addr}", "{host}", "{port}", "{protocol}", "{cpus}"}
	placeholder  = regexp.MustCompile(`\{[a-z_]+\}`)
	cpuSet       = regexp.MustCompile(`^\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?)*$`)
	rateText     = regexp.MustCompile(`^([0-9.]+)(%|/s|/s per client)$`)
	percentText  = regexp.MustCompile(`^([0-9.]+)%$`)
)

// Limits of numbers.
const (
	// MaxPayloadBytes fits the socket buffers of both ends, so that a server
	// that reads and writes by turns never waits for its client to read.
	MaxPayloadBytes = 64 << 10
	maxRepeats      = 1000
	maxDuration     = time.Hour
	maxConnectRate  = 1e6
	maxClients      = 10_000_000
	maxRate         = 10_000_000
	maxRequests     = 1_000_000_000
	maxWeight       = 10_000
	maxSteps        = 1000
	maxTime         = 10 * time.Second // of a wait or a block
	maxCPUTime      = time.Second
)

// Read reads a config file. All mistakes in it are reported, as Errors.
func Read(file string) (*Config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	return Parse(file, text)
}

// AtLeast has each cell and each trial measured n times, where the config asks
// for less. Cells that hold connections keep their number: they take as long as
// they are held, and what comes of it is that they were. It is a mistake if n is
// more than a config may ask for.
func (c *Config) AtLeast(n int) error {
	if n > maxRepeats {
		return fmt.Errorf("%d repeats are too many: at most %d are allowed", n, maxRepeats)
	}
	for _, e := range c.Experiments {
		if e.Hold == 0 {
			e.Repeats = max(e.Repeats, n)
		}
	}
	for i := range c.Trials {
		c.Trials[i].Repeats = max(c.Trials[i].Repeats, n)
	}
	return nil
}

// Parse reads a config from its text; file is only named in errors.
func Parse(file string, text []byte) (*Config, error) {
	cfg := &Config{
		File: file, Text: string(text),
		Name: strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)),
		Seed: 1, places: map[string]place{},
	}
	d := &decoder{file: file, places: cfg.places}
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		d.syntax(err)
		return nil, d.err()
	}
	var root ast.Node
	if len(tree.Docs) > 0 {
		root = tree.Docs[0].Body
	}
	if root == nil {
		d.fail(place{1, 1}, "", "the file is empty; it needs at least models, workloads and clients")
		return nil, d.err()
	}
	if len(tree.Docs) > 1 {
		d.failAt(tree.Docs[1].Body, "", "a second document; a config is one")
	}
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
		d.complete(base, root)
	} else {
		// What is said at the top holds for every experiment that does not say
		// otherwise.
		d.list(func(n ast.Node, path string) {
			e := *base
			e.path = path
			sub := d.experiment(&e)
			sub["name"] = d.text(&e.Name)
			d.mapping(n, path, sub)
			if e.Name == "" && !d.failed(path) {
				d.failAt(n, path+".name", "is missing; reports call the experiment by it")
			}
			d.complete(&e, n)
			cfg.Experiments = append(cfg.Experiments, &e)
		})(list, "experiments")
		if len(cfg.Experiments) == 0 && !d.failed("experiments") {
			d.failAt(list, "experiments", "is empty; it needs at least one entry")
		}
	}
	if err := d.err(); err != nil {
		return nil, err
	}
	return cfg, nil
}

// experiment decodes what an experiment says.
func (d *decoder) experiment(e *Experiment) fields {
	// A list that is said again replaces the one of the base.
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
		"a_a":         d.truth(&e.AA),
		"hold":        d.duration(&e.Hold, 100*time.Millisecond, maxDuration),
	}
}

// complete checks an experiment as a whole; n is where it stands.
func (d *decoder) complete(e *Experiment, n ast.Node) {
	at := func(key string) string {
		if _, own := d.places[join(e.path, key)]; own {
			return join(e.path, key)
		}
		return key
	}
	say := func(key, problem string) {
		p, there := d.places[at(key)]
		if !there {
			p = placeOf(n)
		}
		if !d.failed(at(key)) {
			d.fail(p, at(key), problem)
		}
	}
	for _, need := range []struct {
		key   string
		empty bool
	}{
		{"models", len(e.Models) == 0}, {"workloads", len(e.Workloads) == 0}, {"clients", len(e.Clients) == 0},
	} {
		if _, there := d.places[at(need.key)]; need.empty && there {
			say(need.key, "is empty; it needs at least one entry")
		} else if need.empty {
			say(need.key, "is missing; it needs at least one entry")
		}
	}
	duplicates(d, at("models"), e.Models)
	duplicates(d, at("clients"), e.Clients)
	names := make([]string, len(e.Workloads))
	for i, w := range e.Workloads {
		names[i] = w.String()
	}
	duplicates(d, at("workloads"), names)

	open := slices.Contains(e.Loops, result.Open)
	switch {
	case open && e.Rate == Rate{}:
		say("rate", "is missing; an open loop needs one, such as 500/s, 2/s per client or 70%")
	case !open && e.Rate != Rate{}:
		say("rate", "is only for loop: open, or [closed, open]")
	case e.Rate.Capacity > 0 && !slices.Contains(e.Loops, result.Closed):
		say("rate", "is a fraction of the closed loop's throughput, so loop must be [closed, open]")
	}
	if !open && e.Shape.Kind != "" {
		say("shape", "is only for loop: open, or [closed, open]")
	}
	if e.Requests > 0 && e.Shape.Kind != "" && e.Shape.Kind != load.Constant {
		say("shape", "needs a duration to spread over; requests ends the window earlier")
	}
	if kind := func(r Rate) [3]bool { return [3]bool{r.PerSecond > 0, r.PerClient > 0, r.Capacity > 0} }; open {
		for _, other := range []Rate{e.Shape.To, e.Shape.Amplitude} {
			if (other != Rate{}) && kind(other) != kind(e.Rate) {
				say("shape", fmt.Sprintf("%v and the rate, %v, must be of one kind", other, e.Rate))
			}
		}
		if a := e.Shape.Amplitude; e.Shape.Kind == load.Sine && a.Of(1, 1) >= e.Rate.Of(1, 1) {
			say("shape", fmt.Sprintf("the amplitude %v must be less than the rate, %v", a, e.Rate))
		}
	}
	idle := func(w Workload) bool { return w.Name() == result.Idle }
	if e.Hold > 0 && !slices.ContainsFunc(e.Workloads, idle) {
		say("hold", "is only for the workload idle")
	}
	if f := e.Fault; f != nil {
		last := max(f.At, f.Until)
		switch {
		case open:
			say("fault", "is only for loop: closed")
		case e.Requests > 0:
			say("fault", "needs a duration; requests ends the window earlier")
		case slices.ContainsFunc(e.Workloads, idle):
			say("fault", "is not for the workload idle, which sends nothing that could fail")
		case f.HTTP() && slices.ContainsFunc(e.Workloads, func(w Workload) bool { return w.Protocol != "http" }):
			say("fault", fmt.Sprintf("%s is asked for over http, so all workloads must be; allowed over echo: %s", f.Kind, strings.Join(signals, ", ")))
		case last+afterFault > e.Duration:
			say("fault", fmt.Sprintf("ends at %v of a window of %v; allowed: up to %v before its end, so that there is time to recover", last, e.Duration, afterFault))
		}
	}
	if e.PerRequest && (e.Active != Share{}) {
		say("active", "idle clients hold their connection, which per-request clients do not have")
	}
	for i, g := range e.Generators {
		if g == Vegeta {
			continue
		}
		key := "generator"
		if len(e.Generators) > 1 {
			key = fmt.Sprintf("generator[%d]", i)
		}
		for _, cannot := range []struct {
			what string
			is   bool
		}{
			{"an open loop", open && g != Wrk2}, {"a closed loop", g == Wrk2 && slices.Contains(e.Loops, result.Closed)},
			{"a shape", g == Wrk2 && e.Shape.Kind != "" && e.Shape.Kind != load.Constant}, {"idle clients", e.Active != Share{}}, {"a connection for each request", e.PerRequest},
			{"a number of requests", e.Requests > 0}, {"a fault", e.Fault != nil},
		} {
			if cannot.is {
				say(key, fmt.Sprintf("%s cannot do %s; allowed: %s", g, cannot.what, Vegeta))
			}
		}
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func duplicates[T comparable](d *decoder, path string, values []T) {
	for i, v := range values {
		at := fmt.Sprintf("%s[%d]", path, i)
		if first := slices.Index(values, v); first < i && !d.failed(at) {
			d.fail(d.places[at], at, fmt.Sprintf("%v is there already, as %s[%d]", v, path, first))
		}
	}
}

// oneOrMore decodes a word or a list of them.
func (d *decoder) oneOrMore(dst *[]string, allowed []string) decode {
	return func(n ast.Node, path string) {
		*dst = nil
		each := func(n ast.Node, path string) {
			var s string
			if d.oneOf(&s, allowed)(n, path); s != "" {
				*dst = append(*dst, s)
			}
		}
		if _, ok := n.(*ast.SequenceNode); !ok {
			each(n, path)
			return
		}
		d.list(each)(n, path)
		if len(*dst) == 0 && !d.failed(path) {
			d.failAt(n, path, "is empty; it needs at least one entry")
		}
		duplicates(d, path, *dst)
	}
}

func (d *decoder) rate(dst *Rate) decode {
	return func(n ast.Node, path string) {
		if s, ok := n.(*ast.StringNode); ok {
			if m := rateText.FindStringSubmatch(s.Value); m != nil {
				v, err := strconv.ParseFloat(m[1], 64)
				switch {
				case err != nil || v <= 0 || v > maxRate:
				case m[2] == "%":
					*dst = Rate{Capacity: v / 100}
					return
				case m[2] == "/s":
					*dst = Rate{PerSecond: v}
					return
				default:
					*dst = Rate{PerClient: v}
					return
				}
			}
		}
		d.failAt(n, path, fmt.Sprintf("is %s; allowed: a rate above 0 and up to %d, such as 500/s, 2/s per client, or 70%% of what the closed loop reached", what(n), maxRate))
	}
}

func (d *decoder) shape(dst *Shape) decode {
	return func(n ast.Node, path string) {
		var s Shape
		d.mapping(n, path, fields{
			"kind": d.oneOf(&s.Kind, shapes), "to": d.rate(&s.To), "amplitude": d.rate(&s.Amplitude),
			"steps":  func(n ast.Node, path string) { s.Steps = d.int(n, path, 2, maxSteps) },
			"period": d.duration(&s.Period, time.Millisecond, maxDuration),
		})
		if d.failed(path) {
			return
		}
		of := map[string][]string{load.Steps: {"steps", "to"}, load.Linear: {"to"}, load.Sine: {"amplitude", "period"}}
		if s.Kind == "" {
			d.failAt(n, path+".kind", "is missing; allowed: "+strings.Join(shapes, ", "))
			return
		}
		for key, said := range map[string]bool{"steps": s.Steps > 0, "to": s.To != Rate{}, "amplitude": s.Amplitude != Rate{}, "period": s.Period > 0} {
			needed := slices.Contains(of[s.Kind], key)
			if needed && !said {
				d.failAt(n, path+"."+key, "is missing; the shape "+s.Kind+" needs it")
			} else if said && !needed {
				at := path + "." + key
				d.fail(d.places[at], at, "means nothing to the shape "+s.Kind)
			}
		}
		*dst = s
	}
}

func (d *decoder) share(dst *Share) decode {
	return func(n ast.Node, path string) {
		switch n := n.(type) {
		case *ast.IntegerNode:
			*dst = Share{N: d.int(n, path, 1, maxClients)}
			return
		case *ast.StringNode:
			if m := percentText.FindStringSubmatch(n.Value); m != nil {
				if v, err := strconv.ParseFloat(m[1], 64); err == nil && v > 0 && v <= 100 {
					*dst = Share{Fraction: v / 100}
					return
				}
			}
		}
		d.failAt(n, path, fmt.Sprintf("is %s; allowed: a number of clients, or a part of them above 0%% and up to 100%%", what(n)))
	}
}

func (d *decoder) cpus(dst *CPUs) decode {
	set := func(to *string) decode {
		return func(n ast.Node, path string) {
			s, ok := n.(*ast.StringNode)
			switch in, isInt := n.(*ast.IntegerNode); {
			case ok && cpuSet.MatchString(s.Value):
				*to = s.Value
			case isInt && cpuSet.MatchString(in.Token.Value):
				*to = in.Token.Value
			default:
				d.failAt(n, path, fmt.Sprintf("is %s; allowed: numbers of CPUs, such as \"0-3,8\"", what(n)))
			}
		}
	}
	return func(n ast.Node, path string) {
		if s, ok := n.(*ast.StringNode); ok && s.Value == "shared" {
			*dst = CPUs{}
			return
		}
		if _, ok := n.(*ast.StringNode); ok {
			d.failAt(n, path, fmt.Sprintf("is %s; allowed: shared, or the sets {server: \"0\", generator: \"1\"}", what(n)))
			return
		}
		d.mapping(n, path, fields{"server": set(&dst.Server), "generator": set(&dst.Generator)})
	}
}

func (d *decoder) commands(dst *map[string]Command) decode {
	return func(n ast.Node, path string) {
		*dst = map[string]Command{}
		d.entries(n, path, func(name string, value ast.Node, path string) {
			var c Command
			d.mapping(value, path, fields{
				"doc": d.text(&c.Doc), "run": d.texts(&c.Run), "closes_each": d.truth(&c.ClosesEach),
				"protocols": d.list(func(n ast.Node, path string) {
					var p string
					d.oneOf(&p, protocols)(n, path)
					c.Protocols = append(c.Protocols, p)
				}),
			})
			for i, arg := range c.Run {
				for _, word := range placeholder.FindAllString(arg, -1) {
					if at := fmt.Sprintf("%s.run[%d]", path, i); !slices.Contains(placeholders, word) {
						d.fail(d.places[at], at, fmt.Sprintf("%s is nothing that is filled in; allowed: %s", word, strings.Join(placeholders, ", ")))
					}
				}
			}
			if len(c.Run) == 0 && !d.failed(path) {
				d.failAt(value, path+".run", "is missing; it is the argument list of the server")
			}
			(*dst)[name] = c
		})
	}
}

func (d *decoder) workload(n ast.Node, path string, dst *[]Workload) {
	var w Workload
	var mix ast.Node
	one := load.Request{PayloadBytes: -1, Weight: 1}
	known := d.request(&one)
	known["protocol"] = d.oneOf(&w.Protocol, protocols)
	known["mix"] = func(n ast.Node, path string) { mix = n }
	d.mapping(n, path, known)
	if d.failed(path) {
		return
	}
	if w.Protocol == "" {
		d.failAt(n, path+".protocol", "is missing; allowed: "+strings.Join(protocols, ", "))
		return
	}
	switch {
	case mix == nil && one.Clients > 0:
		d.fail(d.places[path+".clients"], path+".clients", "is for an entry of a mix, of which the other clients ask for the first")
	case mix == nil:
		if d.asked(n, path, w.Protocol, &one) {
			w.Requests = append(w.Requests, one)
		}
	case one.Workload != "" || one.PayloadBytes >= 0 || one.Time > 0 || one.Weight != 1 || one.Clients > 0:
		d.fail(d.places[path+".mix"], path+".mix", "is instead of workload, payload_bytes, time, weight and clients, not beside them")
	default:
		d.list(func(n ast.Node, path string) {
			r := load.Request{PayloadBytes: -1, Weight: 1}
			d.mapping(n, path, d.request(&r))
			if d.failed(path) || !d.asked(n, path, w.Protocol, &r) {
				return
			}
			if r.Workload == result.Idle {
				d.failAt(n, path, "idle is a workload of its own, not part of a mix")
				return
			}
			w.Requests = append(w.Requests, r)
		})(mix, path+".mix")
		d.byClients(w.Requests, path+".mix")
		if len(w.Requests) < 2 && !d.failed(path) {
			d.failAt(mix, path+".mix", "needs at least two entries")
		}
	}
	if !d.failed(path) {
		*dst = append(*dst, w)
	}
}

func (d *decoder) request(r *load.Request) fields {
	return fields{
		"workload":      d.text(&r.Workload),
		"payload_bytes": func(n ast.Node, path string) { r.PayloadBytes = d.int(n, path, 1, MaxPayloadBytes) },
		"time":          d.duration(&r.Time, time.Microsecond, maxTime),
		"weight":        func(n ast.Node, path string) { r.Weight = d.int(n, path, 1, maxWeight) },
		"clients":       func(n ast.Node, path string) { r.Clients = d.int(n, path, 1, maxClients) },
	}
}

// byClients checks a mix in which entries have clients of their own: all but the
// first must, which the other clients ask for, and weights mean nothing.
func (d *decoder) byClients(mix []load.Request, path string) {
	if d.failed(path) || !(Workload{Requests: mix}).ByClients() {
		return
	}
	for i, r := range mix {
		at := fmt.Sprintf("%s[%d]", path, i)
		switch {
		case i == 0 && r.Clients > 0:
			d.fail(d.places[at+".clients"], at+".clients", "the first entry has no number: all clients ask for it that ask for no other")
		case i > 0 && r.Clients == 0:
			d.fail(d.places[at], at+".clients", "is missing; in a mix by clients each entry but the first has their number")
		case d.places[at+".weight"] != (place{}):
			d.fail(d.places[at+".weight"], at+".weight", "means nothing in a mix by clients")
		}
	}
}

// asked checks a request that is asked over a protocol, and fills in what it
// does not say.
func (d *decoder) asked(n ast.Node, path, protocol string, r *load.Request) bool {
	what := protocol + "/" + r.Workload
	if allowed := workloads[protocol]; !slices.Contains(allowed, r.Workload) {
		at := path + ".workload"
		if r.Workload == "" {
			d.failAt(n, at, fmt.Sprintf("is missing; allowed over %s: %s", protocol, strings.Join(allowed, ", ")))
		} else {
			d.fail(d.places[at], at, fmt.Sprintf("%q is no workload over %s; allowed: %s", r.Workload, protocol, strings.Join(allowed, ", ")))
		}
		return false
	}
	if echoes := r.Workload == "echo" || protocol == "echo"; echoes && r.PayloadBytes < 0 {
		r.PayloadBytes = load.DefaultPayloadBytes
	} else if !echoes && r.PayloadBytes >= 0 {
		at := path + ".payload_bytes"
		d.fail(d.places[at], at, fmt.Sprintf("%s sends no payload; only echo does", what))
	}
	r.PayloadBytes = max(r.PayloadBytes, 0)
	at := path + ".time"
	unit := time.Millisecond
	if r.Workload == "cpu" {
		unit = time.Microsecond
	}
	switch takes := slices.Contains(timed, r.Workload); {
	case takes && r.Time == 0:
		d.failAt(n, at, fmt.Sprintf("is missing; %s takes a time, such as 50ms", what))
	case !takes && r.Time > 0:
		d.fail(d.places[at], at, fmt.Sprintf("%s takes no time; only %s do", what, strings.Join(timed, ", ")))
	case r.Time%unit != 0:
		d.fail(d.places[at], at, fmt.Sprintf("%v is no whole number of %v", r.Time, unit))
	case r.Workload == "cpu" && r.Time > maxCPUTime:
		d.fail(d.places[at], at, fmt.Sprintf("%v is more than %v", r.Time, maxCPUTime))
	}
	return true
}

func (d *decoder) ratio(n ast.Node, path string, dst *[]result.Ratio) {
	var r result.Ratio
	number := func(to *float64) decode {
		return func(n ast.Node, path string) { *to = d.number(n, path, 0, 1e12) }
	}
	d.mapping(n, path, fields{
		"model": d.text(&r.Model), "peer": d.text(&r.Peer), "metric": d.oneOf(&r.Metric, metrics),
		"protocol": d.oneOf(&r.Protocol, protocols), "workload": d.text(&r.Workload),
		"setting": d.text(&r.Setting), "peer_setting": d.text(&r.PeerSetting),
		"at_least": number(&r.AtLeast), "at_most": number(&r.AtMost),
	})
	if d.failed(path) {
		return
	}
	for _, need := range []struct{ key, value string }{{"model", r.Model}, {"peer", r.Peer}, {"metric", r.Metric}} {
		if need.value == "" {
			d.failAt(n, path+"."+need.key, "is missing")
		}
	}
	*dst = append(*dst, r)
}
