package plan

import (
	"fmt"

	"github.com/goccy/go-yaml/ast"

	"github.com/tierbench/tierbench/loadtest/quantity"
	"github.com/tierbench/tierbench/loadtest/result"
)

const maxRate = 10_000_000 // a second

// ParseRate parses a rate as it is written in a config. The error says what is allowed.
func ParseRate(text string) (result.Rate, error) {
	r := result.ParseRate(text)
	if v := r.PerSecond + r.PerClient + 100*r.Capacity; v == 0 || v > maxRate {
		return r, fmt.Errorf("is %q; allowed: %s", text, allowedRates)
	}
	return r, nil
}

var allowedRates = fmt.Sprintf("a rate above 0 and up to %d, such as 500/s, 2/s per client, or 70%% of what the closed loop reached", maxRate)

func (d *decoder) rate(dst *result.Rate) decode {
	return func(n ast.Node, path string) {
		s, ok := n.(*ast.StringNode)
		if !ok {
			d.failAt(n, path, fmt.Sprintf("is %s; allowed: %s", describe(n), allowedRates))
			return
		}
		var err error
		if *dst, err = ParseRate(s.Value); err != nil {
			d.failAt(n, path, err.Error())
		}
	}
}

func (d *decoder) share(dst *result.Share) decode {
	return func(n ast.Node, path string) {
		switch n := n.(type) {
		case *ast.IntegerNode:
			*dst = result.Share{N: d.int(n, path, 1, maxClients)}
			return
		case *ast.StringNode:
			if v, ok := quantity.Percent(n.Value); ok && v > 0 && v <= 1 {
				*dst = result.Share{Fraction: v}
				return
			}
		}
		d.failAt(n, path, fmt.Sprintf("is %s; allowed: a number of clients, or a part of them above 0%% and up to 100%%", describe(n)))
	}
}

// setting decodes a setting from the text that is shown for it.
func (d *decoder) setting(dst *result.Setting) decode {
	return func(n ast.Node, path string) {
		var text string
		d.text(&text)(n, path)
		*dst = result.ParseSetting(text)
	}
}
