package plan

import (
	"fmt"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/tierbench/tierbench/loadtest/quantity"
	"github.com/tierbench/tierbench/loadtest/result"
)

const maxBytes = 1 << 60

// slo decodes one objective: its bounds, and the cells that they apply to.
func (d *decoder) slo(n ast.Node, path string, dst *[]result.SLO) {
	var s result.SLO
	var p99 time.Duration
	var bounds int
	count := func(f decode) decode {
		return func(n ast.Node, path string) {
			bounds++
			f(n, path)
		}
	}
	// measure decodes a bound written as a number with its unit.
	measure := func(read func(string) (float64, bool), most float64, allowed string, to func(v float64)) decode {
		return count(func(n ast.Node, path string) {
			if s, ok := n.(*ast.StringNode); ok {
				if v, ok := read(s.Value); ok && v <= most {
					to(v)
					return
				}
			}
			d.failAt(n, path, fmt.Sprintf("is %s; allowed: %s", describe(n), allowed))
		})
	}
	perSecond := func(text string) (float64, bool) { return quantity.Parse(text, quantity.PerSecond) }
	d.mapping(n, path, fields{
		"model": d.text(&s.Model), "protocol": d.oneOf(&s.Protocol, protocols), "workload": d.text(&s.Workload),
		"loop": d.oneOf(&s.Loop, []string{result.Closed, result.Open}), "setting": d.setting(&s.Setting),
		"clients": func(n ast.Node, path string) { s.Clients = d.int(n, path, 1, maxClients) },
		"p99":     count(d.duration(&p99, time.Microsecond, maxDuration)),
		"errors":  measure(quantity.Percent, 1, "a part of the requests, from 0% to 100%", func(v float64) { s.Errors = &v }),
		"throughput": measure(perSecond, maxRate, fmt.Sprintf("a rate up to %d/s, such as 500/s", maxRate),
			func(v float64) { s.ThroughputRPS = v }),
		"memory": measure(quantity.Bytes, maxBytes, "a size, such as 512MiB or 2GiB", func(v float64) { s.MemoryBytes = v }),
	})
	if d.failed(path) {
		return
	}
	if bounds == 0 {
		d.failAt(n, path, "has no bound; allowed: p99, errors, throughput, memory")
		return
	}
	s.P99Sec = p99.Seconds()
	*dst = append(*dst, s)
}

// objectives checks that each objective applies to at least one cell.
func (p *Plan) objectives(d *decoder) {
	for i := range p.Config.SLOs {
		s := &p.Config.SLOs[i]
		of := false
		for j := range p.Cells {
			of = of || s.Of(&p.Cells[j].Key)
		}
		if at := fmt.Sprintf("slo[%d]", i); !of {
			d.fail(d.places[at], at, "matches no cell of the plan; check its model, protocol, workload, clients, loop and setting")
		}
	}
}
