package plan

import (
	"fmt"
	"regexp"
	"strconv"

	"github.com/goccy/go-yaml/ast"

	"github.com/tierbench/tierbench/loadtest/result"
)

const maxRate = 10_000_000 // a second

var (
	rateText    = regexp.MustCompile(`^([0-9.]+)(%|/s|/s per client)$`)
	percentText = regexp.MustCompile(`^([0-9.]+)%$`)
)

// ParseRate parses a rate as it is written in a config. The error says what is allowed.
func ParseRate(text string) (r result.Rate, err error) {
	if m := rateText.FindStringSubmatch(text); m != nil {
		if v, err := strconv.ParseFloat(m[1], 64); err == nil && v > 0 && v <= maxRate {
			switch m[2] {
			case "%":
				r.Capacity = v / 100
			case "/s":
				r.PerSecond = v
			default:
				r.PerClient = v
			}
			return r, nil
		}
	}
	return r, fmt.Errorf("is %q; allowed: %s", text, allowedRates)
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
			if m := percentText.FindStringSubmatch(n.Value); m != nil {
				if v, err := strconv.ParseFloat(m[1], 64); err == nil && v > 0 && v <= 100 {
					*dst = result.Share{Fraction: v / 100}
					return
				}
			}
		}
		d.failAt(n, path, fmt.Sprintf("is %s; allowed: a number of clients, or a part of them above 0%% and up to 100%%", describe(n)))
	}
}

// setting decodes the text by which a setting is shown.
func (d *decoder) setting(dst *result.Setting) decode {
	return func(n ast.Node, path string) {
		var text string
		d.text(&text)(n, path)
		*dst = result.ParseSetting(text)
	}
}
