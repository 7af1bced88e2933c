package attack

// A counter follows what the clients of a shard did to a counter of the server,
// since their first connection.
type counter struct {
	increments int64         // that were answered
	unanswered int64         // that were sent and not answered: they may have been made
	readings   map[int]int64 // the counter's value by the process that reported it
}

// answered takes a right answer.
func (c *counter) answered(e *exchange, a *answer) {
	switch {
	case e.counts:
		c.increments++
	case e.reads:
		c.readings[a.pid] = max(c.readings[a.pid], a.value)
	}
}

// failed takes the failure of a request that was sent, if only in part.
func (c *counter) failed(e *exchange) {
	if e.counts {
		c.unanswered++
	}
}
