package load

import (
	"testing"
	"time"
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
