package app

import (
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestLookup(t *testing.T) {
	for _, test := range []struct {
		reason, method, path string
		status               int
		allow                string
	}{
		{"GET", "GET", "/plaintext", 200, ""},
		{"HEAD goes where GET goes", "HEAD", "/healthz", 200, ""},
		{"POST", "POST", "/echo", 200, ""},
		{"HEAD is no POST", "HEAD", "/echo", 405, "POST"},
		{"a wrong method", "POST", "/plaintext", 405, "GET, HEAD"},
		{"methods have case", "get", "/plaintext", 405, "GET, HEAD"},
		{"paths have case", "GET", "/Plaintext", 404, ""},
		{"no prefixes", "GET", "/plaintext/x", 404, ""},
		{"nothing", "GET", "", 404, ""},
		{"a path may have two methods", "POST", "/counter", 200, ""},
		{"and the other", "GET", "/counter", 200, ""},
		{"HEAD is GET there too", "HEAD", "/counter", 200, ""},
		{"what both allow", "PUT", "/counter", 405, "POST, GET, HEAD"},
	} {
		h, status, allow := Lookup([]byte(test.method), []byte(test.path))
		if status != test.status || allow != test.allow || (h != nil) != (status == 200) {
			t.Errorf("%s: status %d, allow %q, want %d and %q", test.reason, status, allow, test.status, test.allow)
		}
	}
}

func TestEchoCopiesNothing(t *testing.T) {
	body := []byte("hello")
	var resp Response
	echo.serve(&Request{Body: body}, &resp)
	if &resp.Body[0] != &body[0] {
		t.Error("the answer is a copy of the body")
	}
}

func TestDelays(t *testing.T) {
	for _, test := range []struct {
		reason, query string
		status        int
		time          time.Duration
	}{
		{"a time", "ms=50", 200, 50 * time.Millisecond},
		{"the longest", "ms=10000", 200, 10 * time.Second},
		{"nothing to wait for", "ms=0", 200, 0},
		{"leading zeros", "ms=007", 200, 7 * time.Millisecond},
		{"among others", "a=b&ms=3&c", 200, 3 * time.Millisecond},
		{"the first counts", "ms=1&ms=2", 200, time.Millisecond},

		{"missing", "", 400, 0},
		{"no value", "ms", 400, 0},
		{"an empty value", "ms=", 400, 0},
		{"too long", "ms=10001", 400, 0},
		{"more than a machine word", "ms=99999999999999999999999", 400, 0},
		{"below nothing", "ms=-1", 400, 0},
		{"no whole number", "ms=1.5", 400, 0},
		{"a unit", "ms=5ms", 400, 0},
		{"names have case", "MS=5", 400, 0},
		{"another name that ends like it", "rms=5", 400, 0},
	} {
		for _, w := range []struct {
			workload
			kind DelayKind
		}{{wait, Wait}, {block, Block}} {
			resp := Response{Status: 200}
			w.serve(&Request{Query: []byte(test.query)}, &resp)
			want := Delay{}
			if test.time > 0 {
				want = Delay{w.kind, test.time}
			}
			if resp.Status != test.status || resp.Delay != want {
				t.Errorf("%s?%s: %s: status %d, delay %v, want %d and %v", w.path, test.query, test.reason, resp.Status, resp.Delay, test.status, want)
			}
			if body := string(resp.Body); resp.Status == 200 && body != "done" || resp.Status == 400 && !strings.Contains(body, "0 to 10000") {
				t.Errorf("%s?%s: %s: body %q", w.path, test.query, test.reason, body)
			}
		}
	}
}

func TestCPUBounds(t *testing.T) {
	for query, status := range map[string]int{"us=0": 200, "us=100": 200, "us=1000001": 400, "us=": 400, "ms=1": 400} {
		resp := Response{Status: 200}
		cpu.serve(&Request{Query: []byte(query)}, &resp)
		if resp.Status != status || resp.Delay != (Delay{}) {
			t.Errorf("?%s: status %d, delay %v; want %d and none", query, resp.Status, resp.Delay, status)
		}
		if status == 400 && !strings.Contains(string(resp.Body), "0 to 1000000") {
			t.Errorf("?%s: %q does not say what is allowed", query, resp.Body)
		}
	}
}

// A thread's own processor time does not grow while others use the machine, so this can be asked of
// a busy one. The factor is wide because a processor's speed changes with its load and its
// temperature.
func TestComputeUsesWhatItSays(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	Calibrate()
	const want = 200 * time.Millisecond
	begin := threadUsage(t)
	Compute(want.Microseconds(), nil)
	if used := threadUsage(t) - begin; used < want/2 || used > 4*want {
		t.Errorf("%v of processor time for %v", used, want)
	}
}

func TestComputeYields(t *testing.T) {
	for us, want := range map[int64]int{0: 0, yieldEvery: 0, yieldEvery + 1: 1, 10 * yieldEvery: 9} {
		yields := 0
		Compute(us, func() { yields++ })
		if yields != want {
			t.Errorf("%d µs: %d yields, want %d", us, yields, want)
		}
	}
}

func TestMeasureRateTakesTheFastest(t *testing.T) {
	// A clock that runs a step further each time it is read, and once a thousand times as far:
	// something interrupted.
	now, reads := time.Duration(0), 0
	rate := measureRate(func() time.Duration {
		reads++
		if now += calibrationRound; reads == 2 {
			now += 1000 * calibrationRound
		}
		return now
	})
	if want := 1000 / (calibrationRound.Seconds() * 1e6); rate != want {
		t.Errorf("%v steps a microsecond, want %v", rate, want)
	}
}

// A worker process does the work that its master has found.
func TestRateIsHandedOn(t *testing.T) {
	rate := Calibrate()
	if got := Calibrate(); got != rate {
		t.Errorf("a second call gives %v, the first gave %v", got, rate)
	}
	if got, err := strconv.ParseFloat(os.Getenv(rateEnv), 64); err != nil || got != rate {
		t.Errorf("the environment says %v (%v), want %v", got, err, rate)
	}
}

func TestCounterRoutes(t *testing.T) {
	c := new(plain)
	for range 3 {
		resp := Response{Status: 200}
		count.serve(&Request{Counter: c}, &resp)
		if resp.Status != 200 || string(resp.Body) != "ok" {
			t.Errorf("POST: %d %q", resp.Status, resp.Body)
		}
	}
	resp := Response{Status: 200}
	value.serve(&Request{Counter: c}, &resp)
	if want := "3 " + strconv.Itoa(os.Getpid()) + "\n"; string(resp.Body) != want {
		t.Errorf("GET: %q, want %q", resp.Body, want)
	}
	for _, w := range []workload{count, value} {
		resp := Response{Status: 200}
		if w.serve(&Request{}, &resp); resp.Status != 404 {
			t.Errorf("%s without a counter: status %d, want 404", w.method, resp.Status)
		}
		resp = Response{Status: 200}
		if w.serve(&Request{Counter: broken{}}, &resp); resp.Status != 500 || string(resp.Body) != "broken" {
			t.Errorf("%s of a broken counter: %d %q", w.method, resp.Status, resp.Body)
		}
	}
}

type plain int64

func (p *plain) Add() error            { *p++; return nil }
func (p *plain) Value() (int64, error) { return int64(*p), nil }

type broken struct{}

func (broken) Add() error            { return errors.New("broken") }
func (broken) Value() (int64, error) { return 0, errors.New("broken") }
