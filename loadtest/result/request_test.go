package result

import (
	"strings"
	"testing"
)

func TestRequestsAreReadFromNames(t *testing.T) {
	for name, want := range map[string]Request{
		"plaintext": {Workload: "plaintext"}, "wait-50ms": {Workload: "wait", TimeSec: 0.05}, "cpu-100us": {Workload: "cpu", TimeSec: 1e-4},
		"echo-100B": {Workload: "echo", PayloadBytes: 100}, "wait-": {Workload: "wait-"}, "echo-B": {Workload: "echo-B"}, "echo-0B": {Workload: "echo-0B"},
		"-5ms": {Workload: "-5ms"}, "wait-0s": {Workload: "wait-0s"}, "long-nap-2s": {Workload: "long-nap", TimeSec: 2},
		"": {}, "plaintext+1%block-100ms": {},
	} {
		if got := ParseRequest(name); got != want {
			t.Errorf("%q is %+v, want %+v", name, got, want)
		}
	}
}

func FuzzParseRequest(f *testing.F) {
	for _, name := range []string{"wait-50ms", "echo-100B", "plaintext+1%block-100ms", "-"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		r := ParseRequest(name)
		if !strings.HasPrefix(name, r.Workload) || r.TimeSec < 0 || r.PayloadBytes < 0 || r.TimeSec > 0 && r.PayloadBytes > 0 {
			t.Errorf("%q is %+v", name, r)
		}
	})
}
