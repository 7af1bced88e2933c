package result_test

import (
	"bytes"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/tierbench/tierbench/loadtest/result"
)

// odd are keys whose names could be mistaken for others, or break a file's name or a
// log's line.
func odd() (plain, rated, escaped result.Key) {
	plain = result.Key{Model: "thread", Protocol: "http", Workload: "plaintext", Clients: 100, Loop: result.Closed}
	rated, escaped = plain, plain
	rated.Loop, rated.Rate.PerClient, rated.Setting = result.Open, 1, result.ParseSetting("active 1%, gil 5ms")
	escaped.Model, escaped.Workload = `../a b`, "echo+1%block-100ms"
	return plain, rated, escaped
}

func TestTag(t *testing.T) {
	plain, rated, escaped := odd()
	rate, setting := plain, plain
	rate.Rate.Capacity, setting.Setting.Name = 0.7, "70%"
	seen := map[string]bool{}
	for _, tt := range []struct {
		why  string
		key  result.Key
		want string
	}{
		{"a plain name needs no escape", plain, "thread/http/plaintext/100/closed/3/service"},
		{"a rate and a setting are other cells, and have spaces and commas", rated,
			"thread/http/plaintext/100/open@1%2Fs%20per%20client/active%201%25%2C%20gil%205ms/3/service"},
		{"a part of a name is not two", escaped, "..%2Fa%20b/http/echo+1%25block-100ms/100/closed/3/service"},
		{"a rate is not a setting", rate, "thread/http/plaintext/100/closed@70%25/3/service"},
		{"a setting is not a rate", setting, "thread/http/plaintext/100/closed/70%25/3/service"},
	} {
		got := result.Tag(tt.key, 3, result.ServiceClock)
		if got != tt.want || seen[got] {
			t.Errorf("%s: got %s, want %s", tt.why, got, tt.want)
		}
		seen[got] = true
		if strings.ContainsAny(got, ", \r\n") {
			t.Errorf("%s: no reader of logs takes %q", tt.why, got)
		}
		if _, err := url.PathUnescape(got); err != nil {
			t.Error(err)
		}
	}
}

func TestRepeatFile(t *testing.T) {
	plain, rated, escaped := odd()
	for _, tt := range []struct {
		why  string
		key  result.Key
		want string
	}{
		{"as published runs have it", plain, "thread-http-plaintext-100-closed-3.hlog"},
		{"a rate and a setting are other cells", rated, "thread-http-plaintext-100-open-1_s_per_client-active_1%,_gil_5ms-3.hlog"},
		{"a name stays in its folder", escaped, ".._a_b-http-echo+1%block-100ms-100-closed-3.hlog"},
	} {
		if got := result.RepeatFile(tt.key, 3, "hlog"); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.why, got, tt.want)
		}
	}
}

var began = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)

// intervals are seconds of a window, one for each value: the latency, in nanoseconds, of
// the only request in that second.
func intervals(start time.Time, open bool, values ...int64) []result.Interval {
	var out []result.Interval
	one := func(v int64) *hdrhistogram.Histogram {
		h := hdrhistogram.New(1, int64(time.Minute), 3)
		if err := h.RecordValue(v); err != nil {
			panic(err)
		}
		return h
	}
	for i, v := range values {
		from := start.Add(time.Duration(i) * time.Second)
		in := result.Interval{Start: from, End: from.Add(time.Second), Service: one(v)}
		if open {
			in.Response = one(2 * v)
		}
		out = append(out, in)
	}
	return out
}

// of returns how many latencies a repeat has, and the largest.
func of(t *testing.T, dir string, r *result.Repeat, clock string) (n, largest int64) {
	t.Helper()
	all, err := result.ReadHistograms(dir)
	if err != nil {
		t.Fatal(err)
	}
	h, err := all.Of(r.Key, r.Repeat, clock)
	if err != nil {
		t.Fatal(err)
	}
	if h == nil {
		return 0, 0
	}
	return h.TotalCount(), h.Max()
}

func TestHistograms(t *testing.T) {
	dir := t.TempDir()
	w, err := result.Create(dir, &result.Run{Schema: result.Schema, ID: "run"})
	if err != nil {
		t.Fatal(err)
	}
	closed, open, none := repeat(1), repeat(2), repeat(3)
	open.Loop, open.Rate.Capacity = result.Open, 0.7
	for _, a := range []struct {
		r  *result.Repeat
		in []result.Interval
	}{{closed, intervals(began, false, 1000, 500)}, {open, intervals(began.Add(time.Minute), true, 700)}, {none, nil}} {
		if err := w.Append(a.r, nil, a.in); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	for _, tt := range []struct {
		r          *result.Repeat
		clock      string
		n, largest int64
	}{
		{closed, result.ServiceClock, 2, 1000}, {closed, result.ResponseClock, 0, 0},
		{open, result.ServiceClock, 1, 700}, {open, result.ResponseClock, 1, 1400}, {none, result.ServiceClock, 0, 0},
	} {
		if n, largest := of(t, dir, tt.r, tt.clock); n != tt.n || largest != tt.largest {
			t.Errorf("%v by the %s clock: %d latencies, the largest %d; want %d and %d", tt.r.Key, tt.clock, n, largest, tt.n, tt.largest)
		}
	}

	// What any reader of the format gets.
	raw, err := os.ReadFile(filepath.Join(dir, result.HistogramsFile))
	if err != nil {
		t.Fatal(err)
	}
	log := hdrhistogram.NewHistogramLogReader(bytes.NewReader(raw))
	var tags []string
	for {
		h, err := log.NextIntervalHistogram()
		if err != nil {
			t.Fatal(err)
		}
		if h == nil {
			break
		}
		if tags = append(tags, h.Tag()); len(tags) == 1 && (h.StartTimeMs() != began.UnixMilli() || h.EndTimeMs() != began.UnixMilli()+1000) {
			t.Errorf("an interval from %d to %d ms, want one second from %d", h.StartTimeMs(), h.EndTimeMs(), began.UnixMilli())
		}
	}
	first := result.Tag(closed.Key, 1, result.ServiceClock)
	if len(tags) != 4 || tags[0] != first || tags[1] != first || tags[3] != result.Tag(open.Key, 2, result.ResponseClock) {
		t.Errorf("the tags are %q", tags)
	}
}

// A run is killed while it writes, and resumed.
func TestHistogramsOfARunThatWasCutOff(t *testing.T) {
	dir := t.TempDir()
	w, err := result.Create(dir, &result.Run{Schema: result.Schema, ID: "run"})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Append(repeat(1), nil, intervals(began, false, 1000)); err != nil {
		t.Fatal(err)
	}
	if err := w.Append(repeat(2), nil, intervals(began.Add(time.Minute), false, 900, 900)); err != nil {
		t.Fatal(err)
	}
	w.Close()
	name := filepath.Join(dir, result.HistogramsFile)
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, whole[:len(whole)-20], 0o644); err != nil {
		t.Fatal(err)
	}
	if n, _ := of(t, dir, repeat(2), result.ServiceClock); n != 1 {
		t.Errorf("%d latencies of a repeat of two, whose second line is cut off, want 1", n)
	}
	if w, err = result.Reopen(dir); err != nil {
		t.Fatal(err)
	}
	if err := w.Append(repeat(2), nil, intervals(began.Add(2*time.Minute), false, 10, 20, 30)); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if n, largest := of(t, dir, repeat(2), result.ServiceClock); n != 3 || largest != 30 {
		t.Errorf("%d latencies, the largest %d; want the 3 of the repeat as it was measured again", n, largest)
	}
	if n, largest := of(t, dir, repeat(1), result.ServiceClock); n != 1 || largest != 1000 {
		t.Errorf("%d latencies, the largest %d, of the repeat before it", n, largest)
	}
}

func TestHistogramsSaysWhatIsWrong(t *testing.T) {
	tag := "Tag=" + result.Tag(repeat(1).Key, 1, result.ServiceClock)
	for _, tt := range []struct{ why, log, want string }{
		{"a line without its fields", "#\n" + tag + ",0,1\n", "histograms.hlog, line 2: 2 fields after the tag, want 4"},
		{"a start that is not a number", tag + ",x,1,2,HIST\n", `histograms.hlog, line 1: strconv.ParseFloat: parsing "x"`},
		{"a payload that is not a histogram", tag + ",0,1,2,HIST\n", tag[len("Tag="):]},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, result.HistogramsFile), []byte(tt.log), 0o644); err != nil {
			t.Fatal(err)
		}
		all, err := result.ReadHistograms(dir)
		if err == nil {
			_, err = all.Of(repeat(1).Key, 1, result.ServiceClock)
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q in it", tt.why, err, tt.want)
		}
	}
}

func FuzzReadHistograms(f *testing.F) {
	tag := "Tag=" + result.Tag(repeat(1).Key, 1, result.ServiceClock)
	f.Add("#[Histogram log format version 1.3]\n" + tag + ",0.5,1,2,HIST\n" + tag + ",1.5,1,2,HI")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, log string) {
		if err := os.WriteFile(filepath.Join(dir, result.HistogramsFile), []byte(log), 0o644); err != nil {
			t.Fatal(err)
		}
		all, err := result.ReadHistograms(dir)
		if err == nil && all.File(repeat(1).Key, 1) != "" && !strings.Contains(log, tag+",") {
			t.Error("a repeat that the log does not name has histograms")
		}
	})
}
