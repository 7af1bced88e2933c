package fleet

import (
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tierbench/tierbench/loadtest/load"
)

// protocol is incremented whenever the meaning of a message changes.
const protocol = 1

// A Part is the part of the load that one generator process makes.
type Part struct {
	Target     load.Target
	Population load.Population
	Shards     int // that divide its clients
	// AllowRemote lets the target be another host.
	AllowRemote bool `json:",omitempty"`
}

// An order is a message from the coordinator to a generator process.
type order struct {
	Kind kind       `json:"What"`       // the key is part of the protocol
	Part *Part      `json:",omitempty"` // of toConnect
	Work *load.Work `json:",omitempty"` // of toRun
	N    int64      `json:",omitempty"` // of toReport: counts the requests for usage
}

// A report is a message from a generator process to the coordinator.
type report struct {
	Number int    // of the generator process, from 1
	Kind   kind   `json:"What"`       // the key is part of the protocol
	Hello  *hello `json:",omitempty"` // of isUp

	Connected *load.Connected `json:",omitempty"` // of isConnected
	Shards    int             `json:",omitempty"` // of isConnected

	// N is the number of the interval (counted), of the answers so far (answers), or of
	// the order that asked for the usage (usage).
	N        int64          `json:",omitempty"`
	Interval *load.Interval `json:",omitempty"` // of counted

	Established int     `json:",omitempty"` // of usage
	CPUSec      float64 `json:",omitempty"` // of usage

	Window *load.Window `json:",omitempty"` // of isDone, without its intervals
	Sums   *sums        `json:",omitempty"` // of isDone: the sums of its intervals

	Err string `json:",omitempty"` // of isConnected, usage and isDone
}

// A hello is part of the first report of a generator process. Protocol and version must
// be those of the coordinator.
type hello struct {
	PID      int
	Protocol int
	Version  string
}

// sums are the totals of the intervals of a window. Those that were sent and those of the
// window must be the same.
type sums struct {
	Intervals int
	Requests  int64
	Errored   int64
}

func (s *sums) add(i *load.Interval) {
	s.Intervals++
	s.Requests += i.Service.TotalCount()
	s.Errored += i.Errored
}

// A kind is the kind of a message. Its value is part of the protocol.
type kind string

const (
	alive kind = "alive" // a heartbeat, of both sides

	// Orders.
	toConnect kind = "connect"
	toRun     kind = "run"
	toOpen    kind = "open"  // open the window
	toClose   kind = "close" // close the window early
	toRest    kind = "rest"  // stop the load: the readings at the end of the window are done
	toReport  kind = "tell"  // report the usage
	toAbort   kind = "abort" // abort the run
	toEnd     kind = "end"   // end the process

	// Reports. A generator process sends the first five in this order.
	isUp        kind = "up"
	isConnected kind = "connected"
	isWarm      kind = "warm"   // waits for the order to open the window
	isClosed    kind = "closed" // the window is closed; waits for the order to rest
	isDone      kind = "done"

	counted kind = "counted" // an interval
	usage   kind = "tells"   // of connections and CPU time
	answers kind = "answers" // their number so far, if a number of them ends the window
)

// stages numbers the stages of a generator process in their order.
var stages = map[kind]int{isUp: 1, isConnected: 2, isWarm: 3, isClosed: 4, isDone: 5}

// The subjects of a job. Each side publishes on one connection, so its messages arrive in
// the order in which it sent them.
func ordersOf(job string, number int) string {
	return fmt.Sprintf("tierbench.%s.orders.%d", job, number)
}
func reports(job string) string { return "tierbench." + job + ".reports" }
func orders(job string) string  { return "tierbench." + job + ".orders" }

// Timing says how long the two sides wait for each other. The zero value works.
type Timing struct {
	Heartbeat time.Duration // 250 ms if 0
	// DeadAfter is how long a side may be silent; 10 s if 0. It is counted in heartbeats
	// of the waiting side. So a side that was itself stopped for a while does not mistake
	// messages that it has not read yet for silence.
	DeadAfter time.Duration
	// Grace is how much longer than planned a generator process may take; 1 min if 0.
	Grace time.Duration
}

func (t Timing) withDefaults() Timing {
	if t.Heartbeat == 0 {
		t.Heartbeat = 250 * time.Millisecond
	}
	if t.DeadAfter == 0 {
		t.DeadAfter = 10 * time.Second
	}
	if t.Grace == 0 {
		t.Grace = time.Minute
	}
	return t
}

// beats returns how many heartbeats may be missed.
func (t Timing) beats() int { return max(1, int(t.DeadAfter/t.Heartbeat)) }

func publish(conn *nats.Conn, subject string, v any) error {
	b, err := encode(v)
	if err != nil {
		return err
	}
	return conn.Publish(subject, b)
}
