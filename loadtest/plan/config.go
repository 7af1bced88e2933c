// Package plan turns a config file into the list of cells to measure, in the
// order in which they are measured. Every mistake in the file is found before
// anything starts, and named with its place and what is allowed.
package plan

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/tierbench/tierbench/loadtest/result"
)

// A Config is one experiment: a file under configs/.
type Config struct {
	File string // as it was given
	Text string // of the file
	Name string // the file's base name without its extension

	Title       string
	Generator   string // "vegeta" or "wrk"
	Models      []string
	Commands    map[string]Command // servers that are not built in, by name
	Workloads   []Workload
	Clients     []int
	Loop        string
	Warmup      time.Duration
	Duration    time.Duration
	Repeats     int
	ConnectRate float64 // connections a second
	Seed        uint64
	Ratios      []result.Ratio

	places map[string]place // of each value, by its path
}

// A Command is a server in any language, under the contract of the README.
type Command struct {
	Doc       string
	Run       []string // {addr}, {host}, {port}, {protocol} and {cpus} are filled in
	Protocols []string // that it speaks; all if empty
}

// A Workload is what is asked over which protocol.
type Workload struct {
	Protocol     string
	Workload     string
	PayloadBytes int // of an echo
}

func (w Workload) String() string { return w.Protocol + "/" + w.Workload }

// What a config may say.
var (
	generators = []string{"vegeta", "wrk"}
	protocols  = []string{"http", "echo"}
	workloads  = map[string][]string{
		"http": {"plaintext", "echo", result.Idle},
		"echo": {"echo", result.Idle},
	}
	metrics = []string{"throughput", "p99", "cpu", "memory"}

	placeholders = []string{"{addr}", "{host}", "{port}", "{protocol}", "{cpus}"}
	placeholder  = regexp.MustCompile(`\{[a-z_]+\}`)
)

// Limits of numbers.
const (
	// MaxPayloadBytes fits the socket buffers of both ends, so that a client
	// can write a request whole before it reads the answer.
	MaxPayloadBytes = 64 << 10
	maxRepeats      = 1000
	maxDuration     = time.Hour
	maxConnectRate  = 1e6
	maxClients      = 10_000_000
	defaultPayload  = 64
)

// Read reads a config file. All mistakes in it are reported, as Errors.
func Read(file string) (*Config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	return Parse(file, text)
}

// Parse reads a config from its text; file is only named in errors.
func Parse(file string, text []byte) (*Config, error) {
	cfg := &Config{
		File: file, Text: string(text),
		Name:      strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)),
		Generator: "vegeta", Loop: result.Closed,
		Warmup: 500 * time.Millisecond, Duration: 2 * time.Second,
		Repeats: 3, ConnectRate: 5000, Seed: 1,
		places: map[string]place{},
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
	d.mapping(root, "", fields{
		"title":        d.text(&cfg.Title),
		"generator":    d.oneOf(&cfg.Generator, generators),
		"models":       d.texts(&cfg.Models),
		"commands":     d.commands(&cfg.Commands),
		"workloads":    d.list(func(n ast.Node, path string) { d.workload(n, path, &cfg.Workloads) }),
		"clients":      d.list(func(n ast.Node, path string) { cfg.Clients = append(cfg.Clients, d.int(n, path, 1, maxClients)) }),
		"loop":         d.oneOf(&cfg.Loop, []string{result.Closed}),
		"warmup":       d.duration(&cfg.Warmup, 0, maxDuration),
		"duration":     d.duration(&cfg.Duration, 100*time.Millisecond, maxDuration),
		"repeats":      func(n ast.Node, path string) { cfg.Repeats = d.int(n, path, 1, maxRepeats) },
		"connect_rate": func(n ast.Node, path string) { cfg.ConnectRate = d.number(n, path, 1, maxConnectRate) },
		"seed":         func(n ast.Node, path string) { cfg.Seed = uint64(d.int(n, path, 0, 1<<53)) },
		"ratios":       d.list(func(n ast.Node, path string) { d.ratio(n, path, &cfg.Ratios) }),
	})
	for _, need := range []struct {
		key   string
		empty bool
	}{
		{"models", len(cfg.Models) == 0}, {"workloads", len(cfg.Workloads) == 0}, {"clients", len(cfg.Clients) == 0},
	} {
		if _, there := cfg.places[need.key]; need.empty && !d.failed(need.key) {
			if there {
				d.fail(cfg.places[need.key], need.key, "is empty; it needs at least one entry")
			} else {
				d.fail(placeOf(root), need.key, "is missing; it needs at least one entry")
			}
		}
	}
	duplicates(d, "models", cfg.Models)
	duplicates(d, "clients", cfg.Clients)
	duplicates(d, "workloads", cfg.Workloads)
	if err := d.err(); err != nil {
		return nil, err
	}
	return cfg, nil
}

func duplicates[T comparable](d *decoder, path string, values []T) {
	for i, v := range values {
		if first := slices.Index(values, v); first < i {
			at := fmt.Sprintf("%s[%d]", path, i)
			d.fail(d.places[at], at, fmt.Sprintf("%v is there already, as %s[%d]", v, path, first))
		}
	}
}

func (d *decoder) commands(dst *map[string]Command) decode {
	return func(n ast.Node, path string) {
		*dst = map[string]Command{}
		d.entries(n, path, func(name string, value ast.Node, path string) {
			var c Command
			d.mapping(value, path, fields{
				"doc": d.text(&c.Doc), "run": d.texts(&c.Run),
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
	w := Workload{PayloadBytes: -1}
	d.mapping(n, path, fields{
		"protocol": d.oneOf(&w.Protocol, protocols),
		"workload": d.text(&w.Workload),
		"payload_bytes": func(n ast.Node, path string) {
			w.PayloadBytes = d.int(n, path, 1, MaxPayloadBytes)
		},
	})
	if d.failed(path) {
		return
	}
	if w.Protocol == "" {
		d.failAt(n, path+".protocol", "is missing; allowed: "+strings.Join(protocols, ", "))
		return
	}
	if allowed := workloads[w.Protocol]; !slices.Contains(allowed, w.Workload) {
		at := path + ".workload"
		if w.Workload == "" {
			d.failAt(n, at, fmt.Sprintf("is missing; allowed over %s: %s", w.Protocol, strings.Join(allowed, ", ")))
		} else {
			d.fail(d.places[at], at, fmt.Sprintf("%q is no workload over %s; allowed: %s", w.Workload, w.Protocol, strings.Join(allowed, ", ")))
		}
		return
	}
	if echoes := w.Workload == "echo" || w.Protocol == "echo"; echoes && w.PayloadBytes < 0 {
		w.PayloadBytes = defaultPayload
	} else if !echoes && w.PayloadBytes >= 0 {
		at := path + ".payload_bytes"
		d.fail(d.places[at], at, fmt.Sprintf("%s sends no payload; only echo does", w))
	}
	w.PayloadBytes = max(w.PayloadBytes, 0)
	*dst = append(*dst, w)
}

func (d *decoder) ratio(n ast.Node, path string, dst *[]result.Ratio) {
	var r result.Ratio
	number := func(to *float64) decode {
		return func(n ast.Node, path string) { *to = d.number(n, path, 0, 1e12) }
	}
	d.mapping(n, path, fields{
		"model": d.text(&r.Model), "peer": d.text(&r.Peer), "metric": d.oneOf(&r.Metric, metrics),
		"protocol": d.oneOf(&r.Protocol, protocols), "workload": d.text(&r.Workload),
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
