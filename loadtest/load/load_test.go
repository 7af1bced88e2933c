package load

import (
	"math"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

func TestPartsOfATargetAreTheWhole(t *testing.T) {
	whole := Target{ByClients: true, Requests: []Request{{Workload: "plaintext"}, {Workload: "cpu", Clients: 1}, {Workload: "wait", Clients: 5}}}
	var got [3]int
	for before, part := range map[int]int{0: 3, 3: 4, 7: 3} {
		p := whole.Part(before, part, 10)
		if !p.ByClients {
			t.Error("a part without clients of its own would go by weights")
		}
		for i, r := range p.Requests {
			got[i] += r.Clients
		}
	}
	// Three that have one client each, of four: no part has more than its clients.
	each := Target{ByClients: true, Requests: []Request{{}, {Clients: 1}, {Clients: 1}, {Clients: 1}}}
	for before := range 4 {
		n := 0
		for _, r := range each.Part(before, 1, 4).Requests {
			n += r.Clients
		}
		if n > 1 {
			t.Errorf("%d requests with clients of their own for the one of part %d", n, before)
		}
	}
	if got != [3]int{0, 1, 5} || whole.Requests[2].Clients != 5 {
		t.Errorf("parts add up to %v; the whole is %+v", got, whole)
	}
}

func TestKindsOfTwoGeneratorsAreMerged(t *testing.T) {
	kind := func(clients int, values ...int64) []*MixPart {
		k := &MixPart{Name: "cpu-5ms", Clients: clients, Service: NewHistogram(), Response: NewHistogram()}
		for _, v := range values {
			_ = k.Service.RecordValue(v)
			_ = k.Response.RecordValue(2 * v)
		}
		return []*MixPart{k}
	}
	var w Window
	w.Add(&Window{Mix: kind(1, 10)})
	w.Add(&Window{Mix: kind(2, 20, 30)})
	if k := w.Mix[0]; len(w.Mix) != 1 || k.Name != "cpu-5ms" || k.Clients != 3 || k.Service.TotalCount() != 3 || k.Response.Max() != 60 {
		t.Errorf("%+v", k)
	}
}

func TestRequestNames(t *testing.T) {
	for want, r := range map[string]Request{
		"plaintext":   {Workload: "plaintext"},
		"block-100ms": {Workload: "block", Time: 100 * time.Millisecond},
		"cpu-1500us":  {Workload: "cpu", Time: 1500 * time.Microsecond},
		"echo":        {Workload: "echo", PayloadBytes: DefaultPayloadBytes},
		"echo-100B":   {Workload: "echo", PayloadBytes: 100},
	} {
		if got := r.Name(); got != want {
			t.Errorf("%+v is %s, want %s", r, got, want)
		}
	}
}

func TestCensored(t *testing.T) {
	ms := func(counts map[int64]int64) *hdrhistogram.Histogram {
		h := NewHistogram()
		for v, n := range counts {
			_ = h.RecordValues(v*int64(time.Millisecond), n)
		}
		return h
	}
	for _, tt := range []struct {
		why               string
		answered, waiting *hdrhistogram.Histogram
		want              [4]float64 // p50, p99, p99.9 and the largest, in milliseconds
	}{
		{"nothing is in flight", ms(map[int64]int64{1: 99, 9: 1}), nil, [4]float64{1, 1, 9, 9}},
		{"nothing is in flight, by an empty histogram", ms(map[int64]int64{1: 99, 9: 1}), ms(nil), [4]float64{1, 1, 9, 9}},
		// One third is answered by 1 ms; of those at risk then, the one that is seen to end does so at 3 ms.
		{"an age between two times", ms(map[int64]int64{1: 1, 3: 1}), ms(map[int64]int64{2: 1}), [4]float64{3, 3, 3, 3}},
		{"ages below all times say nothing", ms(map[int64]int64{5: 90, 7: 10}), ms(map[int64]int64{1: 100}), [4]float64{5, 7, 7, 7}},
		{"four of a hundred clients wait", ms(map[int64]int64{5: 38_400}), ms(map[int64]int64{1: 96, 2500: 4}), [4]float64{5, 5, 5, 2500}},
		{"a tail of waiting", ms(map[int64]int64{5: 96}), ms(map[int64]int64{2500: 4}), [4]float64{5, 2500, 2500, 2500}},
		{"nothing was answered", ms(nil), ms(map[int64]int64{2500: 4}), [4]float64{2500, 2500, 2500, 2500}},
	} {
		got := Censored(tt.answered, tt.waiting)
		for i, v := range []float64{got.P50, got.P99, got.P999, got.Max} {
			if math.Abs(1e3*v/tt.want[i]-1) > 0.002 { // three digits
				t.Errorf("%s: %+v, want %v ms", tt.why, got, tt.want)
				break
			}
		}
		if mean := Latency(tt.answered).Mean; got.Mean != mean {
			t.Errorf("%s: the mean is %v, that of the answers is %v", tt.why, got.Mean, mean)
		}
	}
}

func TestWaitingOfTwoGeneratorsIsMerged(t *testing.T) {
	age := func(v int64) *Window {
		w := &Window{Waiting: NewHistogram(), WaitingDue: NewHistogram(), Starved: 2}
		_ = w.Waiting.RecordValue(v)
		_ = w.WaitingDue.RecordValue(2 * v)
		return w
	}
	var w Window
	w.Add(&Window{})
	w.Add(age(10))
	w.Add(age(20))
	if w.Starved != 4 || w.Waiting.TotalCount() != 2 || w.Waiting.Max() != 20 || w.WaitingDue.Max() != 40 {
		t.Errorf("%d starved, ages %v and %v", w.Starved, w.Waiting, w.WaitingDue)
	}
}
