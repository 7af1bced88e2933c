package plan

import (
	"fmt"
	"regexp"
	"strconv"

	"github.com/goccy/go-yaml/ast"
)

const maxRate = 10_000_000 // a second

var (
	rateText    = regexp.MustCompile(`^([0-9.]+)(%|/s|/s per client)$`)
	percentText = regexp.MustCompile(`^([0-9.]+)%$`)
)

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
