package result

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/tierbench/tierbench/loadtest/quantity"
)

// A Setting says how a cell differs from the default, which is the zero value. A cell is
// compared with cells of the same setting.
type Setting struct {
	// Generator makes the load; empty in a run with only one generator.
	Generator string `json:"generator,omitempty"`
	// Name and Value come from the config's setting, or else from the arguments of the server:
	// "gil" and "5ms", or "offload" without a value.
	Name  string `json:"name,omitempty"`
	Value string `json:"value,omitempty"`
	// Fault is the kind of the fault that is injected in the window.
	Fault string `json:"fault,omitempty"`
	// Active clients send requests; the others only hold their connections.
	Active Share `json:"active,omitzero"`
	// PerRequest clients open a connection for each request.
	PerRequest bool `json:"per_request,omitempty"`
	// ServerCPUs and GeneratorCPUs are the CPUs that each is bound to, such as "0-3,8".
	ServerCPUs    string `json:"server_cpus,omitempty"`
	GeneratorCPUs string `json:"generator_cpus,omitempty"`
	// Box limits the server's process tree.
	Box Limits `json:"box,omitzero"`
	// AA marks a second measurement of the cell without it, which compares a server with itself.
	AA bool `json:"a_a,omitempty"`
}

// The words of a setting's parts.
const (
	generatorWord     = "generator"
	faultWord         = "fault"
	activeWord        = "active"
	perRequestWords   = "connection per request"
	serverCPUWords    = "server cpus"
	generatorCPUWords = "generator cpus"
	boxWord           = "box"
	aaWord            = "A/A"
)

// parts returns the name and the value of each part, in the order in which they are shown.
func (s Setting) parts() (out [][2]string) {
	add := func(present bool, name, value string) {
		if present {
			out = append(out, [2]string{name, value})
		}
	}
	add(s.Generator != "", generatorWord, s.Generator)
	add(s.Name != "", s.Name, s.Value)
	add(s.Fault != "", faultWord, s.Fault)
	add(s.Active != Share{}, activeWord, s.Active.String())
	add(s.PerRequest, perRequestWords, "")
	add(s.ServerCPUs != "", serverCPUWords, s.ServerCPUs)
	add(s.GeneratorCPUs != "", generatorCPUWords, s.GeneratorCPUs)
	add(s.Box != Limits{}, boxWord, s.Box.String())
	add(s.AA, aaWord, "")
	return out
}

func joined(parts [][2]string) string {
	words := make([]string, len(parts))
	for i, p := range parts {
		if words[i] = p[0]; p[1] != "" {
			words[i] += " " + p[1]
		}
	}
	return strings.Join(words, ", ")
}

// String returns the setting as it is shown: "generator wrk, gil 5ms, A/A". ParseSetting is its
// inverse.
func (s Setting) String() string { return joined(s.parts()) }

// Variable returns the setting as it is shown, without the value of its last part. Settings
// such as "gil 5ms" and "gil 20ms" share it.
func (s Setting) Variable() string {
	parts := s.parts()
	if n := len(parts); n > 0 {
		parts[n-1][1] = ""
	}
	return joined(parts)
}

// ParseSetting parses a setting as it is shown, for configs and for records of schema 1. Text
// that it does not know becomes the name, so that String always returns the same text again.
func ParseSetting(text string) Setting {
	var s Setting
	rest := text
	// last removes the last part if take accepts it.
	last := func(take func(part string) bool) {
		before, part := "", rest
		if i := strings.LastIndex(rest, ", "); i > 0 {
			before, part = rest[:i], rest[i+len(", "):]
		}
		if take(part) {
			rest = before
		}
	}
	// word accepts a name with a value that has no spaces.
	word := func(name string, to *string) func(string) bool {
		return func(part string) bool {
			value, ok := strings.CutPrefix(part, name+" ")
			if ok = ok && value != "" && !strings.ContainsAny(value, " "); ok {
				*to = value
			}
			return ok
		}
	}
	last(func(part string) bool { s.AA = part == aaWord; return s.AA })
	last(func(part string) bool {
		var text string
		word(boxWord, &text)(part)
		l, ok := ParseLimits(text)
		if ok = ok && l.String() == text; ok { // a box is written in one way
			s.Box = l
		}
		return ok
	})
	last(word(generatorCPUWords, &s.GeneratorCPUs))
	last(word(serverCPUWords, &s.ServerCPUs))
	last(func(part string) bool { s.PerRequest = part == perRequestWords; return s.PerRequest })
	last(func(part string) bool {
		var share string
		word(activeWord, &share)(part)
		s.Active = parseShare(share)
		return s.Active != Share{}
	})
	last(word(faultWord, &s.Fault))
	if first, others, more := strings.Cut(rest, ", "); word(generatorWord, &s.Generator)(first) {
		if rest = others; more && others == "" {
			return Setting{Name: text}
		}
	}
	s.Name = rest
	if i := strings.LastIndexByte(rest, ' '); i > 0 && i < len(rest)-1 && letter(rest[0]) {
		s.Name, s.Value = rest[:i], rest[i+1:]
	}
	return s
}

func letter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

// UnmarshalJSON decodes an object, or the text of schema 1.
func (s *Setting) UnmarshalJSON(b []byte) error {
	if text, ok, err := quoted(b); ok {
		*s = ParseSetting(text)
		return err
	}
	type object Setting
	return json.Unmarshal(b, (*object)(s))
}

// quoted decodes a value if it is a string.
func quoted(b []byte) (text string, ok bool, err error) {
	if !bytes.HasPrefix(b, []byte{'"'}) {
		return "", false, nil
	}
	err = json.Unmarshal(b, &text)
	return text, true, err
}

// A Share is a number of clients, or a fraction of them. The zero value means all of them.
type Share struct {
	N        int     `json:"n,omitempty"`
	Fraction float64 `json:"fraction,omitempty"`
}

// Of returns the share of n clients, which is at least one.
func (s Share) Of(n int) int {
	switch {
	case s.Fraction > 0:
		return max(1, int(s.Fraction*float64(n)+0.5))
	case s.N > 0:
		return min(s.N, n)
	}
	return n
}

func (s Share) String() string {
	if s.Fraction > 0 {
		return percent(s.Fraction)
	}
	return strconv.Itoa(s.N)
}

// Rounded returns the share with the precision with which it is shown. Keys that look the same
// are the same.
func (s Share) Rounded() Share { return parseShare(s.String()) }

func percent(fraction float64) string { return number(100*fraction) + "%" }

// number formats f with six significant digits.
func number(f float64) string { return strconv.FormatFloat(f, 'g', 6, 64) }

// parseShare parses the text of String. It returns the zero value if the text is not a share.
func parseShare(text string) Share {
	var s Share
	if v, ok := quantity.Percent(text); ok {
		s.Fraction = v
	} else {
		s.N, _ = strconv.Atoi(text)
	}
	if s.N < 0 || s.Fraction > 1 || s.String() != text {
		return Share{}
	}
	return s
}
