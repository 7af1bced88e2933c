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

// New checks a config made of Go values by the rules of a config file. A zero value
// means that the key is absent, except for Seed, Warmup, Duration and Repeats.
// Mistakes are returned as Errors with a field but no position. New writes the
// config as YAML and parses that text, so that a run of it can be resumed from its
// record.
func New(c Config) (*Config, error) {
	text, err := yaml.Marshal(c.values())
	if err != nil {
		return nil, fmt.Errorf("write a config: %w", err)
	}
	cfg, err := Parse("", slices.Concat([]byte("# Made from a command line.\n"), text))
	if err != nil {
		return nil, err
	}
	cfg.Name = c.Name
	return cfg, nil
}

// Errorf returns an error about the config. The error names the file, if there is one.
func (c *Config) Errorf(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	if c.File != "" {
		err = fmt.Errorf("%s: %w", c.File, err)
	}
	return err
}

// A mapping builds a YAML mapping that keeps the order of its keys.
type mapping struct{ yaml.MapSlice }

// addNonZero adds a value, unless it is zero or an empty list.
func (m *mapping) addNonZero(key string, value any) {
	if v := reflect.ValueOf(value); v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0 {
		return
	}
	m.add(key, value)
}

// add adds a value, zero or not.
func (m *mapping) add(key string, value any) {
	if d, ok := value.(time.Duration); ok {
		value = d.String()
	}
	m.MapSlice = append(m.MapSlice, yaml.MapItem{Key: key, Value: value})
}

// all returns the mappings of a list of values.
func all[T any](values []T, of func(T) yaml.MapSlice) (list []yaml.MapSlice) {
	for _, v := range values {
		list = append(list, of(v))
	}
	return list
}

func (c *Config) values() yaml.MapSlice {
	var m mapping
	m.addNonZero("title", c.Title)
	m.add("seed", c.Seed)
	var commands mapping
	for _, name := range slices.Sorted(maps.Keys(c.Commands)) {
		commands.add(name, c.Commands[name].values())
	}
	m.addNonZero("commands", commands.MapSlice)
	m.addNonZero("ratios", all(c.Ratios, ratioValues))
	m.addNonZero("trials", all(c.Trials, Trial.values))
	m.addNonZero("slo", all(c.SLOs, sloValues))
	if len(c.Experiments) == 1 && c.Experiments[0].Name == "" {
		return append(m.MapSlice, c.Experiments[0].values()...)
	}
	m.add("experiments", all(c.Experiments, (*Experiment).values))
	return m.MapSlice
}

func (c Command) values() yaml.MapSlice {
	var m mapping
	m.addNonZero("doc", c.Doc)
	m.addNonZero("run", c.Run)
	m.addNonZero("protocols", c.Protocols)
	m.addNonZero("closes_each", c.ClosesEach)
	return m.MapSlice
}

func (e *Experiment) values() yaml.MapSlice {
	var m mapping
	m.addNonZero("name", e.Name)
	m.addNonZero("models", e.Models)
	m.addNonZero("workloads", all(e.Workloads, Workload.values))
	m.addNonZero("clients", e.Clients)
	m.addNonZero("generator", e.Generators)
	m.addNonZero("loop", e.Loops)
	m.addNonZero("rate", textOf(e.Rate))
	m.addNonZero("shape", shapeValues(e.Shape))
	m.add("warmup", e.Warmup)
	m.add("duration", e.Duration)
	m.addNonZero("hold", e.Hold)
	m.addNonZero("requests", e.Requests)
	m.add("repeats", e.Repeats)
	m.addNonZero("connect_rate", e.ConnectRate)
	switch {
	case e.Active.Fraction > 0:
		m.add("active", percentOf(e.Active.Fraction))
	case e.Active.N > 0:
		m.add("active", e.Active.N)
	}
	if e.PerRequest {
		m.add("connection", "per-request")
	}
	var cpus mapping
	cpus.addNonZero("server", e.CPUs.Server)
	cpus.addNonZero("generator", e.CPUs.Generator)
	m.addNonZero("cpus", cpus.MapSlice)
	m.addNonZero("server_args", e.ServerArgs)
	m.addNonZero("setting", e.Setting)
	if f := e.Fault; f != nil {
		var fault mapping
		fault.addNonZero("kind", f.Kind)
		fault.addNonZero("at", f.At)
		fault.addNonZero("until", f.Until)
		fault.addNonZero("times", f.Times)
		fault.addNonZero("mb", f.LeakMB)
		fault.addNonZero("limit_mb", f.LimitMB)
		m.addNonZero("fault", fault.MapSlice)
	}
	m.addNonZero("a_a", e.AA)
	return m.MapSlice
}

func (w Workload) values() yaml.MapSlice {
	var m mapping
	m.addNonZero("protocol", w.Protocol)
	if len(w.Requests) == 1 {
		return append(m.MapSlice, requestValues(w.Requests[0], false)...)
	}
	byClients := w.ByClients()
	m.addNonZero("mix", all(w.Requests, func(r load.Request) yaml.MapSlice { return requestValues(r, !byClients) }))
	return m.MapSlice
}

func requestValues(r load.Request, weighted bool) yaml.MapSlice {
	var m mapping
	m.addNonZero("workload", r.Workload)
	m.addNonZero("payload_bytes", r.PayloadBytes)
	m.addNonZero("time", r.Time)
	if weighted {
		m.addNonZero("weight", r.Weight)
	}
	m.addNonZero("clients", r.Clients)
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
	m.addNonZero("kind", s.Kind)
	m.addNonZero("to", textOf(s.To))
	m.addNonZero("steps", s.Steps)
	m.addNonZero("amplitude", textOf(s.Amplitude))
	m.addNonZero("period", s.Period())
	return m.MapSlice
}

func (t Trial) values() yaml.MapSlice {
	var m mapping
	m.addNonZero("name", t.Name)
	m.addNonZero("run", t.Run)
	m.addNonZero("variants", t.Variants)
	m.addNonZero("increments", t.Increments)
	m.addNonZero("workers", t.Workers)
	m.addNonZero("repeats", t.Repeats)
	return m.MapSlice
}

func ratioValues(r result.Ratio) yaml.MapSlice {
	var m mapping
	m.addNonZero("model", r.Model)
	m.addNonZero("peer", r.Peer)
	m.addNonZero("metric", r.Metric)
	m.addNonZero("protocol", r.Protocol)
	m.addNonZero("workload", r.Workload)
	m.addNonZero("setting", r.Setting.String())
	m.addNonZero("peer_setting", r.PeerSetting.String())
	m.addNonZero("at_least", r.AtLeast)
	m.addNonZero("at_most", r.AtMost)
	return m.MapSlice
}

func sloValues(s result.SLO) yaml.MapSlice {
	var m mapping
	m.addNonZero("model", s.Model)
	m.addNonZero("protocol", s.Protocol)
	m.addNonZero("workload", s.Workload)
	m.addNonZero("clients", s.Clients)
	m.addNonZero("loop", s.Loop)
	m.addNonZero("setting", s.Setting.String())
	m.addNonZero("p99", time.Duration(s.P99Sec*float64(time.Second)+0.5))
	if s.Errors != nil {
		m.add("errors", percentOf(*s.Errors))
	}
	if s.ThroughputRPS > 0 {
		m.add("throughput", decimal(s.ThroughputRPS)+"/s")
	}
	if s.MemoryBytes > 0 {
		m.add("memory", decimal(s.MemoryBytes)+"B")
	}
	return m.MapSlice
}

// decimal formats a number without an exponent, which a config does not allow.
func decimal(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// percentOf formats a fraction as a percentage, without the rounding error of the
// multiplication by 100.
func percentOf(fraction float64) string {
	return decimal(math.Round(fraction*1e14)/1e12) + "%"
}
