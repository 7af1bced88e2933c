package attack

import "github.com/tierbench/tierbench/loadtest/load"

// A script says what the clients of a shard ask for.
type script struct {
	exchanges []*exchange // those of the target's requests, then the prober's and the reader's
	prober    int         // what a new connection is asked first; -1: what its client asks for
	reader    int         // what reads the value of the counter; -1: there is none
	rotation  []int       // exchanges in the order in which they are asked; nil in a mix by clients
	turn      int         // in the rotation
	reading   bool        // all ask for the value of the counter
}

// newScript makes the script of the shard whose first client has the number first.
func newScript(t load.Target, perRequest bool, first int) (s script, err error) {
	if s.exchanges, s.prober, s.reader, err = newExchanges(t, perRequest); err != nil {
		return s, err
	}
	if !t.ByClients {
		s.rotation = rotation(t.Requests)
		s.turn = first % len(s.rotation) // shards do not ask in step with each other
	}
	return s, nil
}

// choose returns the exchange that a client asks for next.
func (s *script) choose(cl *client) int {
	switch {
	case s.reading:
		return s.reader
	case cl.first && s.prober >= 0:
		return s.prober
	case s.rotation == nil:
		return cl.only
	}
	exchange := s.rotation[s.turn]
	if s.turn++; s.turn == len(s.rotation) {
		s.turn = 0
	}
	return exchange
}

// spread reports whether number i of n is one of the k that are spread evenly
// over them: the one with the number i*k/n among these.
func spread(i, k, n int) bool { return (i+1)*k/n > i*k/n }

// own returns the request that active client number i of n asks for in a mix by
// clients. Those that do not ask for the first are spread over all.
func own(requests []load.Request, i, n int) int {
	total := 0
	for _, r := range requests {
		total += r.Clients
	}
	if !spread(i, total, n) {
		return 0
	}
	nth := i * total / n
	for k, r := range requests {
		if nth < r.Clients {
			return k
		}
		nth -= r.Clients
	}
	return 0
}

// rotation spreads the requests by their weights, as evenly as whole numbers
// can: of 99 and 1 the one comes in the middle of the others.
func rotation(requests []load.Request) []int {
	total := 0
	weight := func(i int) int { return max(requests[i].Weight, 1) }
	for i := range requests {
		total += weight(i)
	}
	owed := make([]int, len(requests))
	out := make([]int, total)
	for k := range out {
		best := 0
		for i := range owed {
			if owed[i] += weight(i); owed[i] > owed[best] {
				best = i
			}
		}
		owed[best] -= total
		out[k] = best
	}
	return out
}
