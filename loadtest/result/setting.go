package result

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/tierbench/tierbench/loadtest/quantity"
)

// A Setting is what a cell is asked beyond the usual, part by part. The zero value is the usual.
// Cells are compared with those of the same setting.
type Setting struct {
	// Generator makes the load, in a run that has several.
	Generator string `json:"generator,omitempty"`
	// Name and Value are what the config calls the setting, or the arguments of the server: "gil"
	// and "5ms", "counter" and "atomic", "offload" and nothing.
	Name  string `json:"name,omitempty"`
	Value string `json:"value,omitempty"`
	// Fault is the kind of what is done to the server in the window.
	Fault string `json:"fault,omitempty"`
	// Active clients ask; the others only hold their connections.
	Active Share `json:"active,omitzero"`
	// PerRequest clients open a connection for each request.
	PerRequest bool `json:"per_request,omitempty"`
	// ServerCPUs and GeneratorCPUs are those that they are bound to, such as "0-3,8".
	ServerCPUs    string `json:"server_cpus,omitempty"`
	GeneratorCPUs string `json:"generator_cpus,omitempty"`
	// AA cells measure again what the cell without it measures: a server is compared with itself.
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
	aaWord            = "A/A"
)

// parts are the name and the value of each part, in the order of String.
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

// String is the setting as it is shown: "generator wrk, gil 5ms, A/A". ParseSetting reads it.
func (s Setting) String() string { return joined(s.parts()) }

// Variable is the setting as it is shown but for the value of its last part, which is what settings
// such as "gil 5ms" and "gil 20ms" differ in.
func (s Setting) Variable() string {
	parts := s.parts()
	if n := len(parts); n > 0 {
		parts[n-1][1] = ""
	}
	return joined(parts)
}

// ParseSetting reads a setting as a config, or a record of schema 1, has it. What it does not know
// is the name, so that the String of what it returns is always the text.
func ParseSetting(text string) Setting {
	var s Setting
	rest := text
	// last takes the last part away, if it is the one that is meant.
	last := func(meant func(part string) bool) {
		before, part := "", rest
		if i := strings.LastIndex(rest, ", "); i > 0 {
			before, part = rest[:i], rest[i+len(", "):]
		}
		if meant(part) {
			rest = before
		}
	}
	// word is a value without spaces after a name.
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

// UnmarshalJSON reads an object, or the text of schema 1.
func (s *Setting) UnmarshalJSON(b []byte) error {
	if text, ok, err := quoted(b); ok {
		*s = ParseSetting(text)
		return err
	}
	type object Setting
	return json.Unmarshal(b, (*object)(s))
}

// quoted is the string that a value is, if it is one.
func quoted(b []byte) (text string, ok bool, err error) {
	if !bytes.HasPrefix(b, []byte{'"'}) {
		return "", false, nil
	}
	err = json.Unmarshal(b, &text)
	return text, true, err
}

// A Share is a number of clients, or a fraction of them. The zero value says nothing.
type Share struct {
	N        int     `json:"n,omitempty"`
	Fraction float64 `json:"fraction,omitempty"`
}

// Of is the share of n clients: at least one; n if the share says nothing.
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

// Rounded is the share as precise as it is shown, so that keys that look alike are alike.
func (s Share) Rounded() Share { return parseShare(s.String()) }

func percent(fraction float64) string { return number(100*fraction) + "%" }

// number has six significant digits.
func number(f float64) string { return strconv.FormatFloat(f, 'g', 6, 64) }

// parseShare reads what String writes; the zero value is of what is no share.
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
