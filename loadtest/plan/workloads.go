package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

// A Workload is what the clients ask for, over one protocol.
type Workload struct {
	Protocol string
	Requests []load.Request // several for a mix, else one
}

// Least returns the cheapest workload of a protocol.
func Least(protocol string) Workload {
	r := load.Least(protocol)
	r.Weight = 1
	return Workload{Protocol: protocol, Requests: []load.Request{r}}
}

// Name returns the workload's name in keys: the request with its time or payload.
// In a mix the other requests follow, each with its share of the requests or its
// number of clients.
func (w Workload) Name() string {
	total := 0
	for _, r := range w.Requests {
		total += r.Weight
	}
	var parts []string
	for i, r := range w.Requests {
		s := r.Name()
		switch {
		case r.Clients > 0:
			s = fmt.Sprintf("%dx%s", r.Clients, s)
		case i > 0:
			s = strconv.FormatFloat(100*float64(r.Weight)/float64(total), 'g', 3, 64) + "%" + s
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, "+")
}

// ByClients reports whether the workload is a mix in which all requests but the
// first have clients of their own.
func (w Workload) ByClients() bool {
	return slices.ContainsFunc(w.Requests, func(r load.Request) bool { return r.Clients > 0 })
}

// Cheap reports whether the workload is a single request that costs a server next
// to nothing.
func (w Workload) Cheap() bool {
	if len(w.Requests) != 1 {
		return false
	}
	of, _ := load.Workloads.Find(w.Protocol, w.Requests[0].Workload)
	return of.Cheap
}

// Request returns the workload's request as the record contains it; zero for a mix.
func (w Workload) Request() result.Request {
	if len(w.Requests) != 1 {
		return result.Request{}
	}
	r := w.Requests[0]
	return result.Request{Workload: r.Workload, TimeSec: r.Time.Seconds(), PayloadBytes: r.PayloadBytes}
}

func (w Workload) String() string { return w.Protocol + "/" + w.Name() }

var (
	protocols = []string{"http", "echo"}
	loops     = []string{result.Closed, result.Open}
	shapes    = []string{result.Constant, result.Steps, result.Linear, result.Sine}
)

// checkMix checks the entries of a mix against each other. If some have clients of
// their own, all but the first must have them, as the remaining clients ask for the
// first, and weights are not allowed.
func (d *decoder) checkMix(path string, mix []load.Request) {
	if d.failed(path) {
		return
	}
	for i, r := range mix {
		switch at := fmt.Sprintf("%s[%d]", path, i); {
		case !(Workload{Requests: mix}).ByClients():
		case i == 0 && r.Clients > 0:
			d.fail(at+".clients", "the first entry takes no number: all clients that no other entry counts ask for it")
		case i > 0 && r.Clients == 0:
			d.missing(at, "clients", "; in a mix by clients each entry but the first needs a number of clients")
		case d.there(at + ".weight"):
			d.fail(at+".weight", "does not apply to a mix by clients")
		}
	}
	if len(mix) < 2 && !d.failed(path) {
		d.fail(path, "needs at least two entries")
	}
}

// checkRequest checks a request against the workloads of a protocol, and fills in
// its defaults.
func (d *decoder) checkRequest(path, protocol string, r *load.Request, mixed bool) {
	all := load.Workloads
	w, ok := all.Find(protocol, r.Workload)
	if !ok {
		allowed := strings.Join(all.Over(protocol).Names(), ", ")
		if r.Workload == "" {
			d.missing(path, "workload", "; allowed over %s: %s", protocol, allowed)
		} else {
			d.fail(path+".workload", "%q is not a workload over %s; allowed: %s", r.Workload, protocol, allowed)
		}
		return
	}
	r.Weight = max(r.Weight, 1)
	if w.Echoes {
		r.PayloadBytes = cmp.Or(r.PayloadBytes, load.DefaultPayloadBytes)
	} else if r.PayloadBytes > 0 {
		echoing := all.Over(protocol).Where(func(w load.Workload) bool { return w.Echoes })
		d.fail(path+".payload_bytes", "%s sends no payload; only %s does", w, strings.Join(echoing.Names(), ", "))
	}
	switch timed := w.Time.Unit > 0; {
	case timed && r.Time == 0:
		d.missing(path, "time", "; %s takes a time, such as 50ms", w)
	case !timed && r.Time > 0:
		timed := all.Where(func(w load.Workload) bool { return w.Time.Unit > 0 })
		d.fail(path+".time", "%s takes no time; only %s do", w, strings.Join(timed.Names(), ", "))
	case timed && r.Time%w.Time.Unit != 0:
		d.fail(path+".time", "%v is not a multiple of %v", r.Time, w.Time.Unit)
	case r.Time > w.Time.Max:
		d.fail(path+".time", "%v is more than %v", r.Time, w.Time.Max)
	}
	if mixed && r.Workload == result.Idle {
		d.fail(path, "idle cannot be part of a mix; list it as a workload")
	}
}
