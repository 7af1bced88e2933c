package plan

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/tierbench/tierbench/loadtest/quantity"
	"github.com/tierbench/tierbench/loadtest/result"
)

// A value is a Go variable that receives a key's value from a config, or an entry of a list.
type value struct {
	// visit sets the variable from a node, checks it and records the mistakes. If the node
	// is nil, it only checks the variable. It returns the variable in the form that package
	// yaml encodes.
	visit func(n ast.Node, path string) any
	zero  func() bool // reports whether the variable is as if the key was absent
}

// after returns a value that calls f once it has been visited.
func after(v value, f func(path string)) value {
	return value{zero: v.zero, visit: func(n ast.Node, path string) any {
		out := v.visit(n, path)
		f(path)
		return out
	}}
}

// then returns a value that calls f once it has been visited without a mistake.
func (d *decoder) then(v value, f func(path string)) value {
	return after(v, func(path string) {
		if !d.failed(path) {
			f(path)
		}
	})
}

// always returns a value that is written even if it is zero.
func always(v value) value {
	return value{visit: v.visit, zero: func() bool { return false }}
}

// replace returns a value that replaces the variable as a whole, and only if no part
// of it is wrong.
func replace[T any](d *decoder, to *T, of func(*T) value) value {
	return value{zero: of(to).zero, visit: func(n ast.Node, path string) any {
		var x T
		if n == nil {
			x = *to
		}
		return d.then(of(&x), func(string) { *to = x }).visit(n, path)
	}}
}

// A field is a key of a mapping and its value.
type field struct {
	key string
	value
}

type fields []field

// mapping is a mapping with known keys, which are visited in their order.
func (d *decoder) mapping(known fields) value {
	return value{
		visit: func(n ast.Node, path string) any {
			keys, nodes := d.pairs(n, path)
			var names []string
			var out yaml.MapSlice
			for _, f := range known {
				names = append(names, f.key)
				if in := nodes[f.key]; in != nil || n == nil && !f.zero() {
					out = append(out, yaml.MapItem{Key: f.key, Value: d.visit(in, join(path, f.key), f.value)})
				}
			}
			slices.Sort(names)
			for _, key := range keys {
				if !slices.Contains(names, key) {
					d.fail(join(path, key), "unknown key; allowed: %s", strings.Join(names, ", "))
				}
			}
			return out
		},
		zero: func() bool { return !slices.ContainsFunc(known, func(f field) bool { return !f.zero() }) },
	}
}

// pairs returns the keys of a node in their order, and their nodes. There are none if
// the node is nil.
func (d *decoder) pairs(n ast.Node, path string) (keys []string, nodes map[string]ast.Node) {
	if m, ok := n.(*ast.MappingNode); ok {
		nodes = map[string]ast.Node{}
		for _, pair := range m.Values {
			key := pair.Key.GetToken().Value
			keys, nodes[key] = append(keys, key), pair.Value
			d.places[join(path, key)] = placeOf(pair.Key)
		}
	} else if n != nil {
		d.fail(path, "is %s; allowed: a mapping of keys and values", describe(n))
	}
	return keys, nodes
}

// list is a list of values. An entry that is wrong keeps its place.
func list[T any](d *decoder, to *[]T, item func(*T) value) value {
	return value{
		visit: func(n ast.Node, path string) any {
			all, nodes := slices.Clone(*to), make([]ast.Node, len(*to))
			if n != nil {
				seq, ok := n.(*ast.SequenceNode)
				if *to = nil; !ok {
					d.fail(path, "is %s; allowed: a list", describe(n))
					return nil
				}
				all, nodes = make([]T, len(seq.Values)), seq.Values
			}
			var out []any
			for i := range all {
				out = append(out, d.visit(nodes[i], fmt.Sprintf("%s[%d]", path, i), item(&all[i])))
			}
			*to = all
			return out
		},
		zero: func() bool { return len(*to) == 0 },
	}
}

func (d *decoder) texts(to *[]string) value { return list(d, to, d.text) }

// oneOrMore is a word or a list of words.
func (d *decoder) oneOrMore(to *[]string, allowed []string) value {
	word := func(s *string) value { return d.oneOf(s, allowed) }
	words := after(list(d, to, word), func(path string) {
		if len(*to) == 0 && !d.failed(path) {
			d.fail(path, "is empty; it needs at least one entry")
		}
		d.duplicates(path, "", *to)
	})
	return value{zero: words.zero, visit: func(n ast.Node, path string) any {
		if _, several := n.(*ast.SequenceNode); n == nil || several {
			return words.visit(n, path)
		}
		*to = make([]string, 1)
		return word(&(*to)[0]).visit(n, path)
	}}
}

// duplicates records which texts are twice in the list at a path. Each text is that
// of the entry at the given key.
func (d *decoder) duplicates(path, key string, texts []string) {
	at := func(i int) string { return fmt.Sprintf("%s[%d]", path, i) }
	for i, text := range texts {
		first := slices.Index(texts, text)
		if first < i && text != "" && !d.failed(at(first)+key) && !d.failed(at(i)+key) {
			d.fail(at(i)+key, "%s is already listed as %s", text, at(first))
		}
	}
}

// A codec converts a variable from and to YAML.
type codec[T any] struct {
	allowed string                   // what a message says is allowed
	parse   func(ast.Node) (T, bool) // reports whether the node can be one
	valid   func(T) bool             // nil if all are
	write   func(T) any              // nil if package yaml writes it as a config has it
}

func scalar[T comparable](d *decoder, to *T, c codec[T]) value {
	return value{
		visit: func(n ast.Node, path string) any {
			v, ok := *to, true
			if n != nil {
				v, ok = c.parse(n)
			}
			var out any = v
			if ok && c.write != nil {
				out = c.write(v)
			}
			if ok && (c.valid == nil || c.valid(v)) {
				*to = v
				return out
			}
			if n != nil {
				out = n
			}
			d.fail(path, "is %s; allowed: %s", describe(out), c.allowed)
			return nil
		},
		zero: func() bool { return *to == *new(T) },
	}
}

// describe returns a node or a written value as a message shows it.
func describe(v any) string {
	switch v := v.(type) {
	case nil, *ast.NullNode:
		return "nothing"
	case *ast.MappingNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.StringNode:
		return strconv.Quote(v.Value)
	case string:
		return strconv.Quote(v)
	default:
		return fmt.Sprint(v)
	}
}

func parseText(n ast.Node) (string, bool) {
	switch s := n.(type) {
	case *ast.StringNode:
		return s.Value, true
	case *ast.LiteralNode:
		return strings.TrimSpace(s.Value.Value), true
	}
	return "", false
}

// word returns a function that parses a text of one line.
func word[T any](parse func(string) (T, bool)) func(ast.Node) (T, bool) {
	return func(n ast.Node) (v T, ok bool) {
		if s, is := n.(*ast.StringNode); is {
			v, ok = parse(s.Value)
		}
		return v, ok
	}
}

func between[T int | int64 | uint64 | float64 | time.Duration](low, high T) func(T) bool {
	return func(v T) bool { return v >= low && v <= high }
}

func (d *decoder) text(to *string) value {
	return scalar(d, to, codec[string]{allowed: "a text", parse: parseText})
}

func (d *decoder) oneOf(to *string, allowed []string) value {
	return d.then(d.text(to), func(path string) {
		if !slices.Contains(allowed, *to) {
			d.fail(path, "%q is not allowed; allowed: %s", *to, strings.Join(allowed, ", "))
		}
	})
}

// choice is one of two words.
func (d *decoder) choice(to *bool, no, yes string) value {
	var text string
	if *to {
		text = yes
	}
	return after(d.oneOf(&text, []string{no, yes}), func(string) { *to = text == yes })
}

func (d *decoder) boolean(to *bool) value {
	return scalar(d, to, codec[bool]{allowed: "true, false", parse: func(n ast.Node) (bool, bool) {
		b, ok := n.(*ast.BoolNode)
		return ok && b.Value, ok
	}})
}

// digits returns a number without the underscores that may group its digits, "" if the
// node is not a number.
func digits(n ast.Node) string {
	switch n.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
		return strings.ReplaceAll(n.GetToken().Value, "_", "")
	}
	return ""
}

// whole is a whole number. A wrong one counts as the lowest, so that the rules see that
// the key is there.
func whole[T int | int64 | uint64](d *decoder, to *T, low, high T) value {
	return after(scalar(d, to, codec[T]{
		allowed: fmt.Sprintf("a whole number from %d to %d", low, high),
		parse: func(n ast.Node) (T, bool) {
			v, err := strconv.ParseInt(digits(n), 10, 64)
			return T(v), err == nil
		},
		valid: between(low, high),
	}), func(path string) {
		if d.failed(path) {
			*to = low
		}
	})
}

func (d *decoder) number(to *float64, low, high float64) value {
	return scalar(d, to, codec[float64]{
		allowed: fmt.Sprintf("a number from %g to %g", low, high),
		parse: func(n ast.Node) (float64, bool) {
			v, err := strconv.ParseFloat(digits(n), 64)
			return v, err == nil
		},
		valid: between(low, high),
		write: func(v float64) any { return plain(v) },
	})
}

// plain is a number that is written without an exponent, as 1e+06 would be a text.
type plain float64

func (p plain) String() string { return decimal(float64(p)) }

func (p plain) MarshalYAML() ([]byte, error) { return []byte(p.String()), nil }

func (d *decoder) duration(to *time.Duration, low, high time.Duration) value {
	return scalar(d, to, codec[time.Duration]{
		allowed: fmt.Sprintf("a duration from %v to %v, such as 500ms or 2s", low, high),
		parse: func(n ast.Node) (time.Duration, bool) {
			if in, ok := n.(*ast.IntegerNode); ok {
				return 0, in.Token.Value == "0"
			}
			return word(func(text string) (time.Duration, bool) {
				v, err := time.ParseDuration(text)
				return v, err == nil
			})(n)
		},
		valid: between(low, high),
		write: func(v time.Duration) any { return v.String() },
	})
}

// measure is a number with a unit.
func (d *decoder) measure(to *float64, most float64, allowed string, parse func(string) (float64, bool), write func(float64) string) value {
	return scalar(d, to, codec[float64]{
		allowed: allowed, parse: word(parse), valid: between(0, most),
		write: func(v float64) any { return write(v) },
	})
}

// setting is a setting, from the text that is shown for it.
func (d *decoder) setting(to *result.Setting) value {
	return scalar(d, to, codec[result.Setting]{
		allowed: "a text",
		parse: func(n ast.Node) (result.Setting, bool) {
			text, ok := parseText(n)
			return result.ParseSetting(text), ok
		},
		write: func(s result.Setting) any { return s.String() },
	})
}

const maxRate = 10_000_000 // a second

var allowedRates = fmt.Sprintf("a rate above 0 and up to %d, such as 500/s, 2/s per client, or 70%% of what the closed loop reached", maxRate)

func validRate(r result.Rate) bool {
	v := r.PerSecond + r.PerClient + 100*r.Capacity
	return v > 0 && v <= maxRate
}

// ParseRate parses a rate as it is written in a config. The error says what is allowed.
func ParseRate(text string) (result.Rate, error) {
	r := result.ParseRate(text)
	if !validRate(r) {
		return r, fmt.Errorf("is %q; allowed: %s", text, allowedRates)
	}
	return r, nil
}

func (d *decoder) rate(to *result.Rate) value {
	return scalar(d, to, codec[result.Rate]{
		allowed: allowedRates,
		parse:   word(func(text string) (result.Rate, bool) { return result.ParseRate(text), true }),
		valid:   validRate,
		write: func(r result.Rate) any {
			switch {
			case r.PerClient != 0:
				return decimal(r.PerClient) + quantity.PerSecondAndClient
			case r.Capacity != 0:
				return percent(r.Capacity)
			}
			return perSecond(r.PerSecond)
		},
	})
}

// share is a number of clients, or a percentage of them.
func (d *decoder) share(to *result.Share) value {
	v := scalar(d, to, codec[result.Share]{
		allowed: "a number of clients, or a part of them above 0% and up to 100%",
		parse: word(func(text string) (result.Share, bool) {
			v, ok := quantity.Percent(text)
			return result.Share{Fraction: v}, ok
		}),
		valid: func(s result.Share) bool { return s.Fraction > 0 && s.Fraction <= 1 },
		write: func(s result.Share) any { return percent(s.Fraction) },
	})
	return value{zero: v.zero, visit: func(n ast.Node, path string) any {
		if _, number := n.(*ast.IntegerNode); !number && (n != nil || to.Fraction > 0) {
			return v.visit(n, path)
		}
		to.Fraction = 0
		return whole(d, &to.N, 1, maxClients).visit(n, path)
	}}
}

// decimal formats a number without an exponent.
func decimal(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func perSecond(v float64) string { return decimal(v) + quantity.PerSecond }

// percent formats a fraction as a percentage, without the rounding error of the
// multiplication by 100.
func percent(fraction float64) string {
	return decimal(math.Round(fraction*1e14)/1e12) + "%"
}
