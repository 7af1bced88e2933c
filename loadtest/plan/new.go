package plan

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

// New checks a config that was made of Go values, by the rules of a file: a value
// that is 0 is one that a file does not say, but for Seed, Warmup, Duration and
// Repeats. Mistakes are Errors with a field and without a place. What is checked is
// the text of a file that says the same, so that a record of it can be resumed.
func New(c Config) (*Config, error) {
	text, err := yaml.Marshal(c.values())
	if err != nil {
		return nil, fmt.Errorf("write a config: %w", err)
	}
	cfg, err := Parse("", slices.Concat([]byte("# Made of a command line.\n"), text))
	if err != nil {
		return nil, err
	}
	cfg.Name = c.Name
	return cfg, nil
}

// Errorf is an error about the config: it names the file, if there is one.
func (c *Config) Errorf(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	if c.File != "" {
		err = fmt.Errorf("%s: %w", c.File, err)
	}
	return err
}

// A mapping is one of a config file, in its order.
type mapping struct{ yaml.MapSlice }

// say adds a value, unless it is zero.
func (m *mapping) say(key string, value any) {
	if v := reflect.ValueOf(value); v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0 {
		return
	}
	m.must(key, value)
}

// must adds a value, zero or not.
func (m *mapping) must(key string, value any) {
	if d, ok := value.(time.Duration); ok {
		value = d.String()
	}
	m.MapSlice = append(m.MapSlice, yaml.MapItem{Key: key, Value: value})
}

// all are the mappings of many values.
func all[T any](values []T, of func(T) yaml.MapSlice) (list []yaml.MapSlice) {
	for _, v := range values {
		list = append(list, of(v))
	}
	return list
}

func (c *Config) values() yaml.MapSlice {
	var m mapping
	m.say("title", c.Title)
	m.must("seed", c.Seed)
	var commands mapping
	for _, name := range slices.Sorted(maps.Keys(c.Commands)) {
		commands.must(name, c.Commands[name].values())
	}
	m.say("commands", commands.MapSlice)
	m.say("ratios", all(c.Ratios, ratioValues))
	m.say("trials", all(c.Trials, Trial.values))
	m.say("slo", all(c.SLOs, sloValues))
	if len(c.Experiments) == 1 && c.Experiments[0].Name == "" {
		return append(m.MapSlice, c.Experiments[0].values()...)
	}
	m.must("experiments", all(c.Experiments, (*Experiment).values))
	return m.MapSlice
}

func (c Command) values() yaml.MapSlice {
	var m mapping
	m.say("doc", c.Doc)
	m.say("run", c.Run)
	m.say("protocols", c.Protocols)
	m.say("closes_each", c.ClosesEach)
	return m.MapSlice
}

func (e *Experiment) values() yaml.MapSlice {
	var m mapping
	m.say("name", e.Name)
	m.say("models", e.Models)
	m.say("workloads", all(e.Workloads, Workload.values))
	m.say("clients", e.Clients)
	m.say("generator", e.Generators)
	m.say("loop", e.Loops)
	m.say("rate", textOf(e.Rate))
	m.say("shape", shapeValues(e.Shape))
	m.must("warmup", e.Warmup)
	m.must("duration", e.Duration)
	m.say("hold", e.Hold)
	m.say("requests", e.Requests)
	m.must("repeats", e.Repeats)
	m.say("connect_rate", e.ConnectRate)
	switch {
	case e.Active.Fraction > 0:
		m.must("active", percentOf(e.Active.Fraction))
	case e.Active.N > 0:
		m.must("active", e.Active.N)
	}
	if e.PerRequest {
		m.must("connection", "per-request")
	}
	var cpus mapping
	cpus.say("server", e.CPUs.Server)
	cpus.say("generator", e.CPUs.Generator)
	m.say("cpus", cpus.MapSlice)
	m.say("server_args", e.ServerArgs)
	m.say("setting", e.Setting)
	if f := e.Fault; f != nil {
		var fault mapping
		fault.say("kind", f.Kind)
		fault.say("at", f.At)
		fault.say("until", f.Until)
		fault.say("times", f.Times)
		fault.say("mb", f.LeakMB)
		fault.say("limit_mb", f.LimitMB)
		m.say("fault", fault.MapSlice)
	}
	m.say("a_a", e.AA)
	return m.MapSlice
}

func (w Workload) values() yaml.MapSlice {
	var m mapping
	m.say("protocol", w.Protocol)
	if len(w.Requests) == 1 {
		return append(m.MapSlice, requestValues(w.Requests[0], false)...)
	}
	byClients := w.ByClients()
	m.say("mix", all(w.Requests, func(r load.Request) yaml.MapSlice { return requestValues(r, !byClients) }))
	return m.MapSlice
}

func requestValues(r load.Request, weighted bool) yaml.MapSlice {
	var m mapping
	m.say("workload", r.Workload)
	m.say("payload_bytes", r.PayloadBytes)
	m.say("time", r.Time)
	if weighted {
		m.say("weight", r.Weight)
	}
	m.say("clients", r.Clients)
	return m.MapSlice
}

func textOf(r result.Rate) string {
	switch {
	case r.PerClient != 0:
		return decimal(r.PerClient) + "/s per client"
	case r.Capacity != 0:
		return percentOf(r.Capacity)
	case r.PerSecond != 0:
		return decimal(r.PerSecond) + "/s"
	}
	return ""
}

func shapeValues(s result.Shape) yaml.MapSlice {
	var m mapping
	m.say("kind", s.Kind)
	m.say("to", textOf(s.To))
	m.say("steps", s.Steps)
	m.say("amplitude", textOf(s.Amplitude))
	m.say("period", s.Period())
	return m.MapSlice
}

func (t Trial) values() yaml.MapSlice {
	var m mapping
	m.say("name", t.Name)
	m.say("run", t.Run)
	m.say("variants", t.Variants)
	m.say("increments", t.Increments)
	m.say("workers", t.Workers)
	m.say("repeats", t.Repeats)
	return m.MapSlice
}

func ratioValues(r result.Ratio) yaml.MapSlice {
	var m mapping
	m.say("model", r.Model)
	m.say("peer", r.Peer)
	m.say("metric", r.Metric)
	m.say("protocol", r.Protocol)
	m.say("workload", r.Workload)
	m.say("setting", r.Setting.String())
	m.say("peer_setting", r.PeerSetting.String())
	m.say("at_least", r.AtLeast)
	m.say("at_most", r.AtMost)
	return m.MapSlice
}

func sloValues(s result.SLO) yaml.MapSlice {
	var m mapping
	m.say("model", s.Model)
	m.say("protocol", s.Protocol)
	m.say("workload", s.Workload)
	m.say("clients", s.Clients)
	m.say("loop", s.Loop)
	m.say("setting", s.Setting.String())
	m.say("p99", time.Duration(s.P99Sec*float64(time.Second)+0.5))
	if s.Errors != nil {
		m.must("errors", percentOf(*s.Errors))
	}
	if s.ThroughputRPS > 0 {
		m.must("throughput", decimal(s.ThroughputRPS)+"/s")
	}
	if s.MemoryBytes > 0 {
		m.must("memory", decimal(s.MemoryBytes)+"B")
	}
	return m.MapSlice
}

// decimal is a number without an exponent, which no text of a config has.
func decimal(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// percentOf is a fraction as a text, without the last digits that multiplying by
// 100 makes.
func percentOf(fraction float64) string {
	return decimal(math.Round(fraction*1e14)/1e12) + "%"
}
