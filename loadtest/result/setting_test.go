package result

import (
	"encoding/json"
	"testing"
	"time"
	"unicode/utf8"
)

func TestSettingsAreReadFromText(t *testing.T) {
	for _, tt := range []struct {
		why, text string
		want      Setting
	}{
		{"the usual", "", Setting{}},
		{"all parts", "generator wrk-t, gil 5ms, fault kill, active 1%, connection per request, server cpus 0-3,8, generator cpus 1, box 64MiB,1, A/A",
			Setting{"wrk-t", "gil", "5ms", "kill", Share{Fraction: 0.01}, true, "0-3,8", "1", Limits{64 << 20, 1}, true}},
		{"a box of memory", "box 1GiB", Setting{Box: Limits{MemoryBytes: 1 << 30}}},
		{"a box is written in one way", "box 1024MiB", Setting{Name: "box", Value: "1024MiB"}},
		{"no limit is no box", "box red", Setting{Name: "box", Value: "red"}},
		{"an argument without a value", "offload", Setting{Name: "offload"}},
		{"a name is no variable that begins with a number", "2 workers", Setting{Name: "2 workers"}},
		{"several arguments", "workers 2 --gil 5ms", Setting{Name: "workers 2 --gil", Value: "5ms"}},
		{"a number of clients", "active 20", Setting{Active: Share{N: 20}}},
		{"the CPUs of the generator are no generator", "generator cpus 1", Setting{GeneratorCPUs: "1"}},
		{"parts in another order are a name", "active 1%, fast", Setting{Name: "active 1%,", Value: "fast"}},
		{"a share is written in one way", "active 01%", Setting{Name: "active", Value: "01%"}},
		{"no clients", "active 0", Setting{Name: "active", Value: "0"}},
		{"less than none", "active -1", Setting{Name: "active", Value: "-1"}},
		{"no more than all", "active 200%", Setting{Name: "active", Value: "200%"}},
		{"a name that has a comma", "held, long, A/A", Setting{Name: "held,", Value: "long", AA: true}},
		{"nothing before a comma", ", A/A", Setting{Name: ", A/A"}},
		{"nothing after the generator", "generator wrk, ", Setting{Name: "generator wrk, "}},
	} {
		if got := ParseSetting(tt.text); got != tt.want || got.String() != tt.text {
			t.Errorf("%s: %q is %+v (%q), want %+v", tt.why, tt.text, got, got, tt.want)
		}
	}
}

func TestVariable(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "gil 5ms": "gil", "fault kill": "fault", "gil 5ms, active 1%": "gil 5ms, active",
		"offload": "offload", "connection per request": "connection per request", "gil 5ms, A/A": "gil 5ms, A/A", "gil 5ms, box 64MiB,1": "gil 5ms, box",
	} {
		if got := ParseSetting(text).Variable(); got != want {
			t.Errorf("of %q: %q, want %q", text, got, want)
		}
	}
}

func FuzzParseSetting(f *testing.F) {
	for _, s := range []string{"generator wrk, gil 5ms, A/A", "active 1%, connection per request", "server cpus 0,2, generator cpus 1", "fault kill", ", , A/A", "box 64MiB,0.5, A/A"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := ParseSetting(text)
		if s.String() != text {
			t.Fatalf("%q is %+v, and that is %q", text, s, s)
		}
		written, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var read Setting
		if err := json.Unmarshal(written, &read); err != nil || utf8.ValidString(text) && read != s {
			t.Errorf("%+v is read from %s as %+v: %v", s, written, read, err)
		}
	})
}

func TestSchedulesAreReadFromText(t *testing.T) {
	perSecond := func(v float64) Rate { return Rate{PerSecond: v} }
	for _, tt := range []struct {
		text string
		want Schedule
	}{
		{"", Schedule{}},
		{"500/s", Schedule{Rate: perSecond(500)}},
		{"1e+06/s", Schedule{Rate: perSecond(1e6)}},
		{"1.5/s per client", Schedule{Rate: Rate{PerClient: 1.5}}},
		{"70%", Schedule{Rate: Rate{Capacity: 0.7}}},
		{"29%", Schedule{Rate: Rate{Capacity: 0.29}}},
		{"500/s, linear to 900/s", Schedule{perSecond(500), Shape{Kind: Linear, To: perSecond(900)}}},
		{"10%, 4 steps to 90%", Schedule{Rate{Capacity: 0.1}, Shape{Kind: Steps, Steps: 4, To: Rate{Capacity: 0.9}}}},
		{"500/s, sine of 100/s in 1m30.5s", Schedule{perSecond(500), Shape{Kind: Sine, Amplitude: perSecond(100), PeriodSec: 90.5}}},
	} {
		got, err := ParseSchedule(tt.text)
		if err != nil || got != tt.want || got.String() != tt.text {
			t.Errorf("%q is %+v (%q), err %v, want %+v", tt.text, got, got, err, tt.want)
		}
	}
	for _, text := range []string{"fast", "0/s", "-1/s", "+Inf/s", "NaN%", "500", "500/s, ", "500/s, zigzag", "500/s, 4 steps to", "500.0/s", "500/s, sine of 1/s in a while"} {
		if got, err := ParseSchedule(text); err == nil {
			t.Errorf("%q is taken for %+v", text, got)
		}
	}
	if got := (Schedule{perSecond(500), Shape{Kind: Constant}}).String(); got != "500/s" {
		t.Errorf("a constant rate is %q", got)
	}
	if got, want := (Schedule{Rate{Capacity: 1.0 / 3}, Shape{Kind: Linear, To: perSecond(1234567)}}).Rounded(), (Schedule{Rate{Capacity: 0.333333}, Shape{Kind: Linear, To: perSecond(1234570)}}); got != want {
		t.Errorf("rounded to %+v, want %+v", got, want)
	}
	if got, want := (Share{Fraction: 1.0 / 3}).Rounded(), (Share{Fraction: 0.333333}); got != want {
		t.Errorf("rounded to %+v, want %+v", got, want)
	}
	if got := (Shape{PeriodSec: 0.7}).Period(); got != 700*time.Millisecond {
		t.Errorf("a period of 0.7 s is %v", got)
	}
}

func FuzzParseSchedule(f *testing.F) {
	for _, s := range []string{"500/s", "2/s per client", "70%", "500/s, linear to 900/s", "10%, 4 steps to 90%", "5/s, sine of 1/s in 2s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSchedule(text)
		if err != nil {
			return
		}
		written, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var read Schedule
		if err := json.Unmarshal(written, &read); err != nil || read != s || read.String() != text {
			t.Errorf("%q is read from %s as %q: %v", text, written, read, err)
		}
	})
}

// A record of schema 1 has texts where one of schema 2 has objects.
func TestKeysOfBothSchemas(t *testing.T) {
	want := Key{Model: "m", Clients: 9, Loop: Open, Rate: Schedule{Rate: Rate{Capacity: 0.7}}, Setting: Setting{Name: "gil", Value: "5ms"}}
	for _, line := range []string{
		`{"model":"m","clients":9,"loop":"open","rate":"70%","setting":"gil 5ms"}`,
		`{"model":"m","clients":9,"loop":"open","rate":{"capacity":0.7},"setting":{"name":"gil","value":"5ms"}}`,
	} {
		var got Key
		if err := json.Unmarshal([]byte(line), &got); err != nil || got != want {
			t.Errorf("%s is %+v, err %v", line, got, err)
		}
	}
	for _, line := range []string{`{"rate":"fast"}`, `{"rate":7}`, `{"setting":7}`, `{"setting":"\ud800x` + "\n" + `"}`} {
		var got Key
		if err := json.Unmarshal([]byte(line), &got); err == nil {
			t.Errorf("%s is taken for %+v", line, got)
		}
	}
	written, err := json.Marshal(want)
	if text := `"loop":"open","rate":{"capacity":0.7},"setting":{"name":"gil","value":"5ms"}}`; err != nil || string(written[len(written)-len(text):]) != text {
		t.Errorf("written as %s, err %v", written, err)
	}
	if written, _ := json.Marshal(Key{}); string(written) != `{"model":"","protocol":"","workload":"","clients":0,"loop":""}` {
		t.Errorf("the usual is written as %s", written)
	}
}
