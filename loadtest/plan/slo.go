package plan

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/tierbench/tierbench/loadtest/result"
)

var (
	perSecondText = regexp.MustCompile(`^([0-9.]+)/s$`)
	sizeText      = regexp.MustCompile(`^([0-9.]+) ?(B|KiB|MiB|GiB|TiB)$`)
	sizes         = map[string]float64{"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
)

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
	measure := func(of *regexp.Regexp, most float64, allowed string, to func(v float64, unit string)) decode {
		return count(func(n ast.Node, path string) {
			if s, ok := n.(*ast.StringNode); ok {
				if m := of.FindStringSubmatch(s.Value); m != nil {
					if v, err := strconv.ParseFloat(m[1], 64); err == nil && v <= most {
						to(v, m[len(m)-1])
						return
					}
				}
			}
			d.failAt(n, path, fmt.Sprintf("is %s; allowed: %s", describe(n), allowed))
		})
	}
	d.mapping(n, path, fields{
		"model": d.text(&s.Model), "protocol": d.oneOf(&s.Protocol, protocols), "workload": d.text(&s.Workload),
		"loop": d.oneOf(&s.Loop, []string{result.Closed, result.Open}), "setting": d.setting(&s.Setting),
		"clients": func(n ast.Node, path string) { s.Clients = d.int(n, path, 1, maxClients) },
		"p99":     count(d.duration(&p99, time.Microsecond, maxDuration)),
		"errors": measure(percentText, 100, "a part of the requests, from 0% to 100%", func(v float64, _ string) {
			v /= 100
			s.Errors = &v
		}),
		"throughput": measure(perSecondText, maxRate, fmt.Sprintf("a rate up to %d/s, such as 500/s", maxRate), func(v float64, _ string) { s.ThroughputRPS = v }),
		"memory": measure(sizeText, 1e15, "a size, such as 512MiB or 2GiB", func(v float64, unit string) {
			s.MemoryBytes = v * sizes[unit]
		}),
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
