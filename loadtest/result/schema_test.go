package result

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	made "github.com/invopop/jsonschema"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

var update = flag.Bool("update", false, "write the schema")

// always are the fields that every record has had since its first version.
var always = map[string][]string{
	"Run":    {"schema", "id", "name", "started", "config_text", "generator", "cells", "models", "host", "build"},
	"Repeat": {"run", "model", "protocol", "workload", "clients", "loop", "repeat", "started", "duration_sec", "requests", "throughput_rps", "service_sec", "server", "generator", "established", "gates"},
	"Second": {"run", "model", "protocol", "workload", "clients", "loop", "repeat", "at_sec", "interval_sec", "requests"},
	"Trial":  {"run", "name", "variant", "repeat", "started"},
	"Key":    {"model", "protocol", "workload", "clients", "loop"},
	"Gates":  {"verdict"},
}

// generate makes the schema from the types and their doc comments.
func generate(t *testing.T) []byte {
	t.Helper()
	r := &made.Reflector{RequiredFromJSONSchemaTags: true}
	if err := r.AddGoComments("github.com/tierbench/tierbench/loadtest/result", ".", made.WithFullComment()); err != nil {
		t.Fatal(err)
	}
	// Comments are found by the path of the package, which is this folder.
	for k, v := range r.CommentMap {
		r.CommentMap["github.com/tierbench/tierbench/loadtest/result."+k[strings.LastIndex(k, "/result")+len("/result."):]] = inline(v)
	}
	out := &made.Schema{
		Version: made.Version, ID: "https://github.com/tierbench/tierbench/schema/2",
		Title:       "The record of a tierbench run",
		Description: "run.json is a Run; each line of cells.jsonl is a Repeat, of series.jsonl a Second, of trials.jsonl a Trial. Units are base units: seconds, bytes, requests per second.",
		Definitions: made.Definitions{},
	}
	for _, v := range []any{&Run{}, &Repeat{}, &Second{}, &Trial{}} {
		for name, def := range r.Reflect(v).Definitions {
			out.Definitions[name] = def
		}
	}
	for name, fields := range always {
		out.Definitions[name].Required = fields
	}
	set := func(def, field string, values ...any) {
		p, ok := out.Definitions[def].Properties.Get(field)
		if !ok {
			t.Fatalf("%s has no %s", def, field)
		}
		p.Enum = values
	}
	for _, def := range []string{"Key", "Repeat", "Second"} {
		set(def, "loop", Closed, Open)
	}
	// In schema 1 these are the texts that are shown.
	for _, at := range [][2]string{{"Key", "rate"}, {"Repeat", "rate"}, {"Second", "rate"},
		{"Key", "setting"}, {"Repeat", "setting"}, {"Second", "setting"}, {"SLO", "setting"}, {"Ratio", "setting"}, {"Ratio", "peer_setting"}} {
		p, ok := out.Definitions[at[0]].Properties.Get(at[1])
		if !ok {
			t.Fatalf("%s has no %s", at[0], at[1])
		}
		out.Definitions[at[0]].Properties.Set(at[1], &made.Schema{AnyOf: []*made.Schema{{Ref: p.Ref}, {Type: "string"}}, Description: p.Description})
	}
	// In older records a reason is only its text.
	reasons, _ := out.Definitions["Gates"].Properties.Get("reasons")
	reasons.Items = &made.Schema{AnyOf: []*made.Schema{reasons.Items, {Type: "string"}}}
	set("Gates", "verdict", Valid, Suspect, Invalid)
	// An empty list or map is null where it is not left out.
	for def, fields := range map[string][]string{
		"Run": {"cells", "models"}, "Server": {"conns_per_process"}, "Fault": {"rps"}, "Host": {"limits", "sysctls"}, "Build": {"modules"},
	} {
		for _, f := range fields {
			p, ok := out.Definitions[def].Properties.Get(f)
			if !ok {
				t.Fatalf("%s has no %s", def, f)
			}
			out.Definitions[def].Properties.Set(f, &made.Schema{AnyOf: []*made.Schema{p, {Type: "null"}}})
		}
	}
	b, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

func inline(s string) string { return strings.Join(strings.Fields(s), " ") }

func TestSchemaIsThatOfTheTypes(t *testing.T) {
	got := generate(t)
	if *update {
		if err := os.WriteFile("schema.json", got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("schema.json is not of these types (run with -update):\n%s", diff)
	}
	if !strings.Contains(string(got), "proportional set size") {
		t.Error("the doc comments are not in the schema")
	}
}

// schemaOf compiles a part of the schema.
func schemaOf(t *testing.T, def string) *jsonschema.Schema {
	t.Helper()
	raw, err := os.ReadFile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("record.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("record.json#/$defs/" + def)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func check(s *jsonschema.Schema, raw []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

func TestPublishedRecordsValidate(t *testing.T) {
	runs, err := filepath.Glob("../../results/*/" + RunFile)
	if err != nil || len(runs) == 0 {
		t.Fatalf("no published runs: %v", err)
	}
	run, repeat, second, trial := schemaOf(t, "Run"), schemaOf(t, "Repeat"), schemaOf(t, "Second"), schemaOf(t, "Trial")
	for _, name := range runs {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := check(run, raw); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for file, s := range map[string]*jsonschema.Schema{CellsFile: repeat, SeriesFile: second, TrialsFile: trial} {
			f, err := os.Open(filepath.Join(filepath.Dir(name), file))
			if file == TrialsFile && errors.Is(err, fs.ErrNotExist) {
				continue // a run need not have any
			}
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			lines := bufio.NewScanner(f)
			lines.Buffer(nil, 64<<20)
			n := 0
			for lines.Scan() {
				if n++; len(bytes.TrimSpace(lines.Bytes())) == 0 {
					continue
				}
				if err := check(s, lines.Bytes()); err != nil {
					t.Errorf("%s, line %d: %v", f.Name(), n, err)
					break
				}
			}
			if err := lines.Err(); err != nil || n == 0 {
				t.Errorf("%s: %d lines, %v", f.Name(), n, err)
			}
		}
	}
}

// TestSchemaRefuses checks that the schema can fail.
func TestSchemaRefuses(t *testing.T) {
	repeat := schemaOf(t, "Repeat")
	whole, err := json.Marshal(&Repeat{Key: Key{Loop: Open}, Gates: Gates{Verdict: Suspect}})
	if err != nil {
		t.Fatal(err)
	}
	if err := check(repeat, whole); err != nil {
		t.Errorf("a repeat as this program writes it: %v", err)
	}
	empty, err := json.Marshal(&Run{})
	if err != nil {
		t.Fatal(err)
	}
	if err := check(schemaOf(t, "Run"), empty); err != nil {
		t.Errorf("an empty run: %v", err)
	}
	for _, tt := range []struct{ why, from, to string }{
		{"a word for a number", `"clients":0`, `"clients":"many"`},
		{"a loop there is not", `"loop":"open"`, `"loop":"ajar"`},
		{"a verdict there is not", `"verdict":"suspect"`, `"verdict":"fine"`},
		{"a field there is not", `"clients":0`, `"clients":0,"customers":0`},
		{"no verdict", `"verdict":"suspect"`, `"notes":[]`},
		{"no clients", `"clients":0,`, ``},
	} {
		changed := strings.Replace(string(whole), tt.from, tt.to, 1)
		if changed == string(whole) {
			t.Errorf("%s: nothing to change", tt.why)
		}
		if err := check(repeat, []byte(changed)); err == nil {
			t.Errorf("%s passes", tt.why)
		}
	}
}
