package plan

import (
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/tierbench/tierbench/loadtest/result"
)

const maxSteps = 1000

var shapes = []string{result.Constant, result.Steps, result.Linear, result.Sine}

func (d *decoder) shape(dst *result.Shape) decode {
	return func(n ast.Node, path string) {
		var s result.Shape
		var period time.Duration
		d.mapping(n, path, fields{
			"kind": d.oneOf(&s.Kind, shapes), "to": d.rate(&s.To), "amplitude": d.rate(&s.Amplitude),
			"steps":  func(n ast.Node, path string) { s.Steps = d.int(n, path, 2, maxSteps) },
			"period": d.duration(&period, time.Millisecond, maxDuration),
		})
		if d.failed(path) {
			return
		}
		of := map[string][]string{result.Steps: {"steps", "to"}, result.Linear: {"to"}, result.Sine: {"amplitude", "period"}}
		if s.Kind == "" {
			d.failAt(n, path+".kind", "is missing; allowed: "+strings.Join(shapes, ", "))
			return
		}
		for key, set := range map[string]bool{"steps": s.Steps > 0, "to": s.To != result.Rate{}, "amplitude": s.Amplitude != result.Rate{}, "period": period > 0} {
			needed := slices.Contains(of[s.Kind], key)
			if needed && !set {
				d.failAt(n, path+"."+key, "is missing; the shape "+s.Kind+" needs it")
			} else if set && !needed {
				at := path + "." + key
				d.fail(d.places[at], at, "does not apply to the shape "+s.Kind)
			}
		}
		s.PeriodSec = period.Seconds()
		*dst = s
	}
}
