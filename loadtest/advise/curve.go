package advise

import (
	"fmt"
	"math"

	"github.com/tierbench/tierbench/loadtest/stats"
)

// A curve is a measured number by clients, sorted by clients.
type curve []point

type point struct{ clients, value float64 }

func (c *curve) add(clients float64, s stats.Estimate) {
	if s.N > 0 {
		*c = append(*c, point{clients, s.Value})
	}
}

// An estimate is a value of a curve, and the points that it comes from.
type estimate struct {
	value   float64
	clients float64
	from    []point
	slope   float64 // for each client; linear only
	outside bool    // beyond what was measured
}

// A scale is one on which a curve is straight.
type scale int

const (
	linear      scale = iota // in the clients, as bytes are
	logarithmic              // in their logarithm, as the cost of a request is
)

// at reads the curve between two measured points. Beyond the last point a logarithmic curve
// stays level. A linear one continues with the last slope, but never falls: more clients do
// not give memory back.
func (c curve) at(clients float64, s scale) (e estimate, ok bool) {
	e.clients = clients
	n := len(c)
	if n == 0 || s == linear && n < 2 {
		return e, false
	}
	for _, p := range c {
		if p.clients == clients {
			e.value, e.from = p.value, []point{p}
			return e, true
		}
	}
	i := 0
	for i < n && c[i].clients < clients {
		i++
	}
	e.outside = i == 0 || i == n
	if s == logarithmic {
		switch i {
		case 0:
			e.from = c[:1]
			e.value = c[0].value
		case n:
			e.from = c[n-1:]
			e.value = c[n-1].value
		default:
			a, b := c[i-1], c[i]
			t := math.Log(clients/a.clients) / math.Log(b.clients/a.clients)
			e.from, e.value = c[i-1:i+1], a.value+t*(b.value-a.value)
		}
		return e, true
	}
	i = min(max(i, 1), n-1)
	a, b := c[i-1], c[i]
	e.from = c[i-1 : i+1]
	e.slope = (b.value - a.value) / (b.clients - a.clients)
	if clients > b.clients {
		e.slope = math.Max(0, e.slope)
		e.value = b.value + e.slope*(clients-b.clients)
	} else {
		e.value = a.value + e.slope*(clients-a.clients)
	}
	return e, true
}

// how says where the value comes from.
func (e estimate) how(u stats.Unit) string {
	one := func(p point) string {
		if p.clients == 0 {
			return u.Format(p.value) + " before the first client"
		}
		return fmt.Sprintf("%s at %s", u.Format(p.value), stats.Group(int(p.clients)))
	}
	switch {
	case len(e.from) == 1 && !e.outside:
		return "measured"
	case len(e.from) == 1:
		return "the nearest measured value: " + one(e.from[0])
	case e.outside:
		return fmt.Sprintf("%s + %s × %s a client, as between %s and %s", u.Format(e.from[1].value), stats.Group(int(e.clients-e.from[1].clients)), u.Format(e.slope), one(e.from[0]), one(e.from[1]))
	case e.slope != 0:
		return fmt.Sprintf("%s + %s × %s a client, between %s and %s", u.Format(e.from[0].value), stats.Group(int(e.clients-e.from[0].clients)), u.Format(e.slope), one(e.from[0]), one(e.from[1]))
	}
	return fmt.Sprintf("between %s and %s", one(e.from[0]), one(e.from[1]))
}
