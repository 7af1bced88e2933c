// Package plan turns a config file into the list of cells to measure, in the
// order in which they are measured. It finds every mistake in the file before
// anything starts, and reports each with its position and what is allowed.
//
// config.go defines what a config may contain. keys.go lists the keys of each
// mapping in it. values.go has the kinds of value that a key may have: how each is
// read from YAML, checked and written as YAML. rules.go checks the values of an
// experiment against each other.
package plan

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/tierbench/tierbench/loadtest/result"
)

// A Config is a file under configs/: what to measure.
type Config struct {
	File string // its path, as the user gave it
	Text string // its contents
	Name string // its base name without the extension

	Title       string
	Commands    map[string]Command // servers that are not built in, by name
	Seed        uint64
	Ratios      []result.Ratio
	Trials      []Trial
	SLOs        []result.SLO
	Experiments []*Experiment // one, unless the config lists several

	places map[string]place // where each value stands in the file, by path
}

// An Experiment is a set of cells that are measured in the same way: every model
// with every workload, at every number of clients, in every loop.
type Experiment struct {
	Name        string // empty if the config has no list of experiments
	Models      []string
	Workloads   []Workload
	Clients     []int
	Generators  []string // Vegeta, Stock, …
	Loops       []string
	Rate        result.Rate  // of the open loop
	Shape       result.Shape // how that rate changes over the window
	Warmup      time.Duration
	Duration    time.Duration
	Requests    int64
	Repeats     int
	ConnectRate float64 // connections a second
	Active      result.Share
	PerRequest  bool
	CPUs        CPUs
	Box         result.Limits // of the server's process tree; that of a Command takes precedence
	ServerArgs  []string      // for built-in models
	Setting     string        // the name of the arguments in keys; empty: the arguments themselves
	Fault       *Fault        // injected into the server within the window; nil for none
	// AA measures each cell twice, the second time under the setting "A/A". The
	// pair shows by how much two measurements of the same thing differ.
	AA bool
	// Hold is the length of the window of the idle workload; Duration if 0.
	Hold time.Duration

	path string // in the file; "" without a list of experiments
}

// A Command is a server in any language that keeps the contract of the README.
type Command struct {
	Doc       string
	Run       []string // {addr}, {host}, {port}, {protocol} and {cpus} are filled in
	Protocols []string // the protocols it speaks; all if empty
	// ClosesEach means that the server closes each connection after one answer.
	ClosesEach bool
	Box        result.Limits
}

// CPUs are the sets of CPUs that server and generator are bound to, for example
// "0-3,8"; empty means all CPUs.
type CPUs struct {
	Server, Generator string
}

const (
	maxRepeats     = 1000
	maxDuration    = time.Hour
	maxConnectRate = 1e6
	maxClients     = 10_000_000
	maxRequests    = 1_000_000_000
	maxWeight      = 10_000
	maxSteps       = 1000
	maxBytes       = 1 << 60
	maxRatio       = 1e12
)

// Read reads a config file. All mistakes in it are reported, as Errors.
func Read(file string) (*Config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	return Parse(file, text)
}

// AtLeast raises the repeats of each cell and each trial to n. Cells with a hold
// keep their number of repeats: they take long, and more repeats add nothing.
// AtLeast fails if n is more than a config may ask for.
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

// WithBox returns the config with a box for all its servers. It fails if the config has boxes
// of its own.
func (c *Config) WithBox(l result.Limits) (*Config, error) {
	for at := range c.places {
		if at == "box" || strings.HasSuffix(at, ".box") {
			return nil, c.Errorf("%s: the config has a box already", at)
		}
	}
	values := map[string]any{}
	if l.MemoryBytes > 0 {
		values["memory"] = result.Limits{MemoryBytes: l.MemoryBytes}.String()
	}
	if l.CPUs > 0 {
		values["cpus"] = l.CPUs
	}
	text, err := yaml.Marshal(map[string]any{"box": values})
	if err != nil {
		return nil, fmt.Errorf("write a box: %w", err)
	}
	return Parse(c.File, slices.Concat([]byte(c.Text), []byte("\n# From the command line.\n"), text))
}

// Parse reads a config from its text. It uses file only in error messages.
func Parse(file string, text []byte) (*Config, error) {
	cfg := &Config{
		File: file, Text: string(text),
		Name: strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)),
		Seed: 1, places: map[string]place{},
	}
	d := &decoder{file: file, places: cfg.places}
	if root := d.parse(text); root != nil {
		d.visit(root, "", d.config(cfg))
	}
	if err := d.err(); err != nil {
		return nil, err
	}
	return cfg, nil
}

// New checks a config made of Go values by the rules of a config file. A zero value
// means that the key is absent, except for Seed, Warmup, Duration and Repeats.
// Mistakes are returned as Errors with a field but no position. Text is what a file
// would contain, so that a run of the config can be resumed from its record.
func New(c Config) (*Config, error) {
	c.File, c.places = "", map[string]place{}
	d := &decoder{places: c.places}
	values := d.visit(nil, "", d.config(&c))
	if err := d.err(); err != nil {
		return nil, err
	}
	text, err := yaml.Marshal(values)
	if err != nil {
		return nil, fmt.Errorf("write a config: %w", err)
	}
	c.Text = "# Made from a command line.\n" + string(text)
	return &c, nil
}

// Errorf returns an error about the config. The error names the file, if there is one.
func (c *Config) Errorf(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	if c.File != "" {
		err = fmt.Errorf("%s: %w", c.File, err)
	}
	return err
}
