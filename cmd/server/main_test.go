package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/tierbench/tierbench/servers/all"
	"github.com/tierbench/tierbench/servers/trial"
)

func TestUsageErrors(t *testing.T) {
	for _, test := range []struct {
		args string
		want []string // what the message must name: the flag, and what is allowed
	}{
		{"", []string{"--model", "eventloop", "prefork", "thread"}},
		{"--model nginx", []string{"--model nginx", "eventloop"}},
		{"--model thread --protocol gopher", []string{"--protocol gopher", "http", "echo"}},
		{"--model thread --addr nowhere", []string{"--addr nowhere", "host:port"}},
		{"--model thread --addr 127.0.0.1:0", []string{"--addr 127.0.0.1:0", "1 to 65535"}},
		{"--model thread --addr 127.0.0.1:http", []string{"--addr 127.0.0.1:http", "1 to 65535"}},
		{"--model thread --drain-timeout 10s", []string{"--drain-timeout 10s", "4s"}},
		{"--model thread --idle-timeout=-1s", []string{"--idle-timeout -1s", "10ms"}},
		{"--model thread --read-timeout fast", []string{"--read-timeout", "fast"}},
		{"--model thread --max-header 10", []string{"--max-header 10", "64"}},
		{"--model thread --max-body=-1", []string{"--max-body -1", "at least 1"}},
		{"--model prefork --workers=-1", []string{"--workers -1", "at least 1"}},
		{"--model thread --gil 1s", []string{"--gil 1s", "500µs", "50ms"}},
		{"--model thread --spawn fresh", []string{"--spawn fresh", "process"}},
		{"--model thread --protocol x --addr y", []string{"--protocol x", "--addr y"}},
		{"--model thread --log-level loud", []string{"--log-level loud", "debug", "off"}},
		{"--model thread --max-conns many", []string{"--max-conns", "many"}},
		{"--model thread --offload", []string{"--offload", "--model thread", "eventloop", "multiloop"}},
		{"--model eventloop --offload --offload-threads 0", []string{"--offload-threads 0", "at least 1"}},
		{"--model eventloop --offload-threads many", []string{"--offload-threads", "many"}},
		{"--model thread --counter abacus", []string{"--counter abacus", "mutex", "flock", "pipe"}},
		{"--trial luck", []string{"--trial luck", "list", "lost-update", "increment"}},
		{"--trial increment --variant abacus", []string{"--variant abacus", "mutex", "flock"}},
		{"--trial increment --increments=-1 --workers 1001", []string{"--increments -1", "--workers 1001"}},
		{"--json", []string{"--json", "--list"}},
		{"--verbose", []string{"--verbose"}},
		{"thread", []string{"thread"}},
	} {
		err := run(t.Context(), strings.Fields(test.args), &bytes.Buffer{}, &bytes.Buffer{})
		var usage usageError
		if !errors.As(err, &usage) {
			t.Errorf("server %s: error %v, want a usage error", test.args, err)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("server %s: message %q does not name %q", test.args, err, want)
			}
		}
	}
}

func TestList(t *testing.T) {
	var text, asJSON bytes.Buffer
	if err := run(t.Context(), []string{"--list"}, &text, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), []string{"--list", "--json"}, &asJSON, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	var listed []struct {
		Name, Doc  string
		ClosesEach bool `json:"closes_each"`
	}
	if err := json.Unmarshal(asJSON.Bytes(), &listed); err != nil {
		t.Fatal(err)
	}
	if len(listed) != len(all.Models) {
		t.Fatalf("%d models are listed, there are %d", len(listed), len(all.Models))
	}
	lines := strings.Split(text.String(), "\n")
	for i, m := range all.Models {
		if listed[i].Name != m.Name || listed[i].Doc != m.Doc || listed[i].ClosesEach != m.ClosesEach {
			t.Errorf("JSON lists %+v, want %s: %s", listed[i], m.Name, m.Doc)
		}
		if !strings.HasPrefix(lines[i], m.Name+" ") || !strings.HasSuffix(lines[i], " "+m.Doc) {
			t.Errorf("line %q, want %s and %s", lines[i], m.Name, m.Doc)
		}
	}
}

func TestHelpNamesEveryModel(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"--help"}, &out, &out); err != nil {
		t.Fatal(err)
	}
	for _, m := range all.Models {
		if !strings.Contains(out.String(), m.Name) {
			t.Errorf("--help does not name %s:\n%s", m.Name, out.String())
		}
	}
}

func TestTrials(t *testing.T) {
	var listed bytes.Buffer
	if err := run(t.Context(), []string{"--trial", "list"}, &listed, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	for _, tr := range trial.Trials {
		if !strings.Contains(listed.String(), tr.Name+" ") || !strings.Contains(listed.String(), strings.Join(tr.Variants, ", ")) {
			t.Errorf("the list does not have %s and its variants:\n%s", tr.Name, listed.String())
		}
	}
	var out bytes.Buffer
	if err := run(t.Context(), strings.Fields("--trial lost-update --variant locked --increments 1000"), &out, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	const want = `{"name":"lost-update","variant":"locked","values":{"got":-1000,"lost":0,"want":-1000}}` + "\n"
	if out.String() != want {
		t.Errorf("got %s, want %s", out.String(), want)
	}
}
