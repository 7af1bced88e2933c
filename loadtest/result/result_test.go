package result_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tierbench/tierbench/loadtest/result"
)

func repeat(n int) *result.Repeat {
	return &result.Repeat{
		Run: "r", Key: result.Key{Model: "thread", Protocol: "http", Workload: "plaintext", Clients: 10, Loop: result.Closed},
		Request: result.Request{Workload: "plaintext"},
		Repeat:  n, Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Requests: 1000,
		Errors: map[string]int64{"reset": 2, "eof": 1},
		Server: result.Server{CPUUserSec: 0.25, CPUSysSec: 0.75, Usage: result.Usage{PSSBytes: 5000}, Before: result.Usage{PSSBytes: 1000}},
		Gates:  result.Gates{Verdict: result.Valid},
	}
}

func TestDerivedNumbers(t *testing.T) {
	r := repeat(1)
	if got := r.CPUPerRequestSec(); got != 0.001 {
		t.Errorf("CPU per request %v", got)
	}
	if got := r.MemoryPerClientBytes(); got != 400 {
		t.Errorf("memory per client %v", got)
	}
	if got := r.Errored(); got != 3 {
		t.Errorf("errored %v", got)
	}
	if got := (&result.Repeat{}).CPUPerRequestSec(); got != 0 {
		t.Errorf("CPU per request of nothing is %v", got)
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	run := &result.Run{Schema: result.Schema, ID: "run", Name: "quick", Repeats: 2, Started: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)}
	w, err := result.Create(dir, run)
	if err != nil {
		t.Fatal(err)
	}
	second := result.Second{Run: "r", Key: repeat(1).Key, Repeat: 1, AtSec: 1, CtxSwitches: -1}
	if err := w.Append(repeat(1), []result.Second{second}, nil); err != nil {
		t.Fatal(err)
	}
	// On disk before Append returns: read while the writer is open.
	set, err := result.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := &result.Set{Dir: dir, Run: *run, Repeats: []result.Repeat{*repeat(1)}, Seconds: []result.Second{second}}
	if diff := cmp.Diff(want, set); diff != "" {
		t.Error(diff)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := result.Create(dir, run); err == nil {
		t.Error("a folder that holds a run was taken for another")
	}
}

// What a record of schema 1 says in its names and texts is read as what schema 2 says in fields.
func TestARecordOfSchema1(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		result.RunFile:    `{"schema":1,"id":"run","cells":[{"model":"m","workload":"wait-50ms","loop":"open","rate":"70%","setting":"gil 5ms"}],"slos":[{"setting":"gil 5ms"}],"ratios":[{"setting":"generator wrk"}]}`,
		result.CellsFile:  `{"model":"m","workload":"wait-50ms","loop":"open","rate":"70%","setting":"gil 5ms","repeat":1,"failure":"interrupted"}` + "\n",
		result.SeriesFile: `{"model":"m","workload":"wait-50ms","loop":"open","rate":"70%","setting":"gil 5ms","repeat":1,"at_sec":1}` + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	set, err := result.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	setting := result.Setting{Name: "gil", Value: "5ms"}
	key := result.Key{Model: "m", Workload: "wait-50ms", Loop: result.Open, Rate: result.Schedule{Rate: result.Rate{Capacity: 0.7}}, Setting: setting}
	if set.Run.Cells[0] != key || set.Repeats[0].Key != key || set.Seconds[0].Key != key || set.Run.SLOs[0].Setting != setting || set.Run.Ratios[0].Setting != (result.Setting{Generator: "wrk"}) {
		t.Errorf("%+v", set)
	}
	if got, want := set.Repeats[0].Request, (result.Request{Workload: "wait", TimeSec: 0.05}); got != want || set.Repeats[0].FailureKind != result.Interrupted || set.Run.Schema != result.Schema {
		t.Errorf("request %+v, want %+v; schema %d", got, want, set.Run.Schema)
	}
}

func TestARunThatWasCutOff(t *testing.T) {
	dir := t.TempDir()
	run := &result.Run{Schema: result.Schema, ID: "run"}
	w, err := result.Create(dir, run)
	if err != nil {
		t.Fatal(err)
	}
	second := func(n, at int) result.Second {
		return result.Second{Key: repeat(n).Key, Repeat: n, AtSec: float64(at)}
	}
	if err := w.Append(repeat(1), []result.Second{second(1, 1), second(1, 2), second(1, 3)}, nil); err != nil {
		t.Fatal(err)
	}
	w.Close()
	cells := filepath.Join(dir, result.CellsFile)
	f, err := os.OpenFile(cells, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"run":"r","model":"thr`); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if set, err := result.Load(dir); err != nil || len(set.Repeats) != 1 {
		t.Fatalf("err %v; the half line must be dropped and the rest kept", err)
	}
	if w, err = result.Reopen(dir); err != nil {
		t.Fatal(err)
	}
	again := repeat(1) // the same repeat, measured again
	again.Requests = 7
	if err := w.Append(again, []result.Second{second(1, 1), second(1, 2)}, nil); err != nil {
		t.Fatal(err)
	}
	if err := w.Append(repeat(2), []result.Second{second(2, 1)}, nil); err != nil {
		t.Fatal(err)
	}
	w.Close()
	set, err := result.Load(dir)
	if err != nil || len(set.Repeats) != 2 || set.Repeats[0].Requests != 7 || set.Repeats[1].Repeat != 2 {
		t.Errorf("repeats %+v, err %v", set, err)
	}
	// Nor are the seconds of the one that was cut off there any more.
	if want := []result.Second{second(1, 1), second(1, 2), second(2, 1)}; !reflect.DeepEqual(set.Seconds, want) {
		t.Errorf("seconds %+v", set.Seconds)
	}
}

func TestLoadSaysWhatIsWrong(t *testing.T) {
	write := func(name, text string) func(dir string) {
		return func(dir string) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, tt := range []struct {
		reason string
		break_ func(dir string)
		want   string
	}{
		{"no run", func(dir string) { os.Remove(filepath.Join(dir, result.RunFile)) }, "run.json"},
		{"not JSON", write(result.RunFile, "{"), "run.json"},
		{"a schema of a later version", write(result.RunFile, `{"schema":99}`), "schema 99, this program knows 1 to 2"},
		{"a broken line in the middle", write(result.CellsFile, "{\"model\":\"m\"}\n{x\n{}\n"), "cells.jsonl: line 2"},
		{"a broken series", write(result.SeriesFile, "7\n"), "series.jsonl: line 1"},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			dir := t.TempDir()
			w, err := result.Create(dir, &result.Run{Schema: result.Schema})
			if err != nil {
				t.Fatal(err)
			}
			w.Close()
			tt.break_(dir)
			if _, err := result.Load(dir); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("err %v, want %q in it", err, tt.want)
			}
		})
	}
}

func FuzzDecodeLines(f *testing.F) {
	f.Add("{\"requests\":1}\n{\"requests\":2}\n{\"req")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := result.DecodeLines[result.Repeat](strings.NewReader(text))
		if err == nil && len(all) > strings.Count(text, "\n") {
			t.Errorf("%d records in %d lines", len(all), strings.Count(text, "\n"))
		}
	})
}

func TestTrialsAreKept(t *testing.T) {
	dir := t.TempDir()
	w, err := result.Create(dir, &result.Run{Schema: result.Schema, ID: "run"})
	if err != nil {
		t.Fatal(err)
	}
	first := result.Trial{Run: "run", Name: "lost-update", Variant: "mutex", Repeat: 1, Values: map[string]float64{"lost": 3}}
	again := first
	again.Values = map[string]float64{"lost": 0}
	for _, trial := range []result.Trial{first, again} {
		if err := w.AppendTrial(&trial); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	set, err := result.Load(dir)
	if err != nil || len(set.Trials) != 1 || set.Trials[0].Values["lost"] != 0 {
		t.Errorf("trials %+v, err %v; want the later of the two", set.Trials, err)
	}
}
