package attack

import "time"

// A client is one connection with at most one request in flight.
type client struct {
	fd       int // -1 while there is none
	state    state
	active   bool   // it sends requests; else it only keeps its connection open
	live     bool   // it was served, and nothing has failed since
	lost     bool   // a fault has hit it
	queued   bool   // it is in the queue of free clients; open loop
	first    bool   // the request in flight proves that a new connection is served
	number   uint32 // among all clients, from 0
	asked    uint32 // requests of this client
	done     uint32 // requests that were answered within the window
	only     int    // the exchange that it asks for, in a mix by clients
	exchange int    // of the request in flight
	wrote    int    // bytes of the request that the socket has taken
	full     bool   // the socket took no more; the shard waits until it does
	answer   answer

	due   time.Duration // when the request in flight was due; open loop
	sent  time.Duration // when it was sent, or the connect for it began
	lag   time.Duration // how late that was because of the generator; open loop
	freed time.Duration // when the request before it was answered
	dials int           // attempts to connect that failed in a row
}

type state uint8

const (
	closed  state = iota // no connection
	dialing              // a connect is under way
	idle                 // connected, nothing in flight
	asking               // a request is in flight
)
