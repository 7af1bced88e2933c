package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

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

// Request returns what is asked for, as in the record; zero for a mix.
func (w Workload) Request() result.Request {
	if len(w.Requests) != 1 {
		return result.Request{}
	}
	r := w.Requests[0]
	return result.Request{Workload: r.Workload, TimeSec: r.Time.Seconds(), PayloadBytes: r.PayloadBytes}
}

func (w Workload) String() string { return w.Protocol + "/" + w.Name() }

var protocols = []string{"http", "echo"}

const maxWeight = 10_000

func (d *decoder) workload(n ast.Node, path string, dst *[]Workload) {
	var w Workload
	var mix ast.Node
	one := load.Request{PayloadBytes: -1, Weight: 1}
	known := d.request(&one)
	known["protocol"] = d.oneOf(&w.Protocol, protocols)
	known["mix"] = func(n ast.Node, path string) { mix = n }
	d.mapping(n, path, known)
	if d.failed(path) {
		return
	}
	if w.Protocol == "" {
		d.failAt(n, path+".protocol", "is missing; allowed: "+strings.Join(protocols, ", "))
		return
	}
	switch {
	case mix == nil && one.Clients > 0:
		d.fail(d.places[path+".clients"], path+".clients", "is only for the entries of a mix; the number of clients of a whole workload is set by the experiment's clients")
	case mix == nil:
		if d.checkRequest(n, path, w.Protocol, &one) {
			w.Requests = append(w.Requests, one)
		}
	case one.Workload != "" || one.PayloadBytes >= 0 || one.Time > 0 || one.Weight != 1 || one.Clients > 0:
		d.fail(d.places[path+".mix"], path+".mix", "cannot be combined with workload, payload_bytes, time, weight or clients")
	default:
		d.list(func(n ast.Node, path string) {
			r := load.Request{PayloadBytes: -1, Weight: 1}
			d.mapping(n, path, d.request(&r))
			if d.failed(path) || !d.checkRequest(n, path, w.Protocol, &r) {
				return
			}
			if r.Workload == result.Idle {
				d.failAt(n, path, "idle cannot be part of a mix; list it as a workload")
				return
			}
			w.Requests = append(w.Requests, r)
		})(mix, path+".mix")
		d.byClients(w.Requests, path+".mix")
		if len(w.Requests) < 2 && !d.failed(path) {
			d.failAt(mix, path+".mix", "needs at least two entries")
		}
	}
	if !d.failed(path) {
		*dst = append(*dst, w)
	}
}

func (d *decoder) request(r *load.Request) fields {
	longest := time.Duration(0)
	for _, w := range load.Workloads {
		longest = max(longest, w.Time.Max)
	}
	return fields{
		"workload":      d.text(&r.Workload),
		"payload_bytes": func(n ast.Node, path string) { r.PayloadBytes = d.int(n, path, 1, load.MaxPayloadBytes) },
		"time":          d.duration(&r.Time, time.Microsecond, longest),
		"weight":        func(n ast.Node, path string) { r.Weight = d.int(n, path, 1, maxWeight) },
		"clients":       func(n ast.Node, path string) { r.Clients = d.int(n, path, 1, maxClients) },
	}
}

// byClients checks a mix in which entries have clients of their own. All entries but
// the first must have them, the remaining clients ask for the first, and weights are
// not allowed.
func (d *decoder) byClients(mix []load.Request, path string) {
	if d.failed(path) || !(Workload{Requests: mix}).ByClients() {
		return
	}
	for i, r := range mix {
		at := fmt.Sprintf("%s[%d]", path, i)
		switch {
		case i == 0 && r.Clients > 0:
			d.fail(d.places[at+".clients"], at+".clients", "the first entry takes no number: all clients that no other entry counts ask for it")
		case i > 0 && r.Clients == 0:
			d.fail(d.places[at], at+".clients", "is missing; in a mix by clients each entry but the first needs a number of clients")
		case d.places[at+".weight"] != (place{}):
			d.fail(d.places[at+".weight"], at+".weight", "does not apply to a mix by clients")
		}
	}
}

// checkRequest checks a request against the workloads of a protocol, and fills in
// its defaults. It reports whether the workload exists.
func (d *decoder) checkRequest(n ast.Node, path, protocol string, r *load.Request) bool {
	all := load.Workloads
	w, ok := all.Find(protocol, r.Workload)
	if !ok {
		at, allowed := path+".workload", strings.Join(all.Over(protocol).Names(), ", ")
		if r.Workload == "" {
			d.failAt(n, at, fmt.Sprintf("is missing; allowed over %s: %s", protocol, allowed))
		} else {
			d.fail(d.places[at], at, fmt.Sprintf("%q is not a workload over %s; allowed: %s", r.Workload, protocol, allowed))
		}
		return false
	}
	if w.Echoes && r.PayloadBytes < 0 {
		r.PayloadBytes = load.DefaultPayloadBytes
	} else if !w.Echoes && r.PayloadBytes >= 0 {
		at := path + ".payload_bytes"
		echoing := all.Over(protocol).Where(func(w load.Workload) bool { return w.Echoes })
		d.fail(d.places[at], at, fmt.Sprintf("%s sends no payload; only %s does", w, strings.Join(echoing.Names(), ", ")))
	}
	r.PayloadBytes = max(r.PayloadBytes, 0)
	at := path + ".time"
	switch timed := w.Time.Unit > 0; {
	case timed && r.Time == 0:
		d.failAt(n, at, fmt.Sprintf("is missing; %s takes a time, such as 50ms", w))
	case !timed && r.Time > 0:
		timed := all.Where(func(w load.Workload) bool { return w.Time.Unit > 0 })
		d.fail(d.places[at], at, fmt.Sprintf("%s takes no time; only %s do", w, strings.Join(timed.Names(), ", ")))
	case timed && r.Time%w.Time.Unit != 0:
		d.fail(d.places[at], at, fmt.Sprintf("%v is not a multiple of %v", r.Time, w.Time.Unit))
	case r.Time > w.Time.Max:
		d.fail(d.places[at], at, fmt.Sprintf("%v is more than %v", r.Time, w.Time.Max))
	}
	return true
}
