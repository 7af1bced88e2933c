package fleet

import (
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tierbench/tierbench/loadtest/load"
)

// protocol is raised whenever a message changes its meaning.
const protocol = 1

// A Part is what one generator process does of a whole.
type Part struct {
	Target     load.Target
	Population load.Population
	Shards     int // that share its clients
	// AllowRemote lets the target be another host.
	AllowRemote bool `json:",omitempty"`
}

// An order is what the coordinator tells a generator process.
type order struct {
	What what
	Part *Part      `json:",omitempty"` // to connect
	Work *load.Work `json:",omitempty"` // to run
	N    int64      `json:",omitempty"` // to tell: which time this is
}

// A report is what a generator process tells the coordinator.
type report struct {
	Number int
	What   what
	Hello  *hello `json:",omitempty"`

	Connected *load.Connected `json:",omitempty"`
	Shards    int             `json:",omitempty"` // of connected

	N        int64          `json:",omitempty"` // of what was counted, of answers, and which time it tells
	Interval *load.Interval `json:",omitempty"`

	Established int     `json:",omitempty"` // as it tells
	CPUSec      float64 `json:",omitempty"`

	Window *load.Window `json:",omitempty"` // of done, without its intervals
	Sums   *sums        `json:",omitempty"` // of these

	Err string `json:",omitempty"` // of connected, tells and done
}

// A hello is the first report of a generator process: what it must have in common with
// its coordinator.
type hello struct {
	PID      int
	Protocol int
	Version  string
}

// sums are what the intervals that were sent must come to.
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

type what string

const (
	alive what = "alive" // both sides

	// Orders.
	toConnect what = "connect"
	toRun     what = "run"
	toOpen    what = "open"  // the window
	toClose   what = "close" // the window, before its time
	toRest    what = "rest"  // the window is closed, and the server was looked at
	toTell    what = "tell"  // usage
	toAbort   what = "abort" // the run
	toEnd     what = "end"   // the process

	// Reports. A generator process comes to the first five in this order.
	isUp        what = "up"
	isConnected what = "connected"
	isWarm      what = "warm"   // it waits for the window to be opened
	isClosed    what = "closed" // the window is; it waits for rest
	isDone      what = "done"

	counted what = "counted" // an interval
	tells   what = "tells"   // usage
	answers what = "answers" // so far, where a number of them ends the window
)

// stages are in the order of the reports.
var stages = map[what]int{isUp: 1, isConnected: 2, isWarm: 3, isClosed: 4, isDone: 5}

// Subjects of a job. Each side publishes on one connection, so that what it
// says is heard in the order in which it was said.
func ordersOf(job string, number int) string {
	return fmt.Sprintf("tierbench.%s.orders.%d", job, number)
}
func reports(job string) string { return "tierbench." + job + ".reports" }
func orders(job string) string  { return "tierbench." + job + ".orders" }

// Timing is how long the two sides wait for each other. The zero value works.
type Timing struct {
	Heartbeat time.Duration // 250 ms if 0
	// DeadAfter is how long a side may be silent; 10 s if 0. It is counted in
	// heartbeats, so that a side which was stopped itself does not take what it
	// has not read yet for silence.
	DeadAfter time.Duration
	// Grace is how much longer than its work a generator process may take; one minute if 0.
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

// beats is how many heartbeats may be missed.
func (t Timing) beats() int { return max(1, int(t.DeadAfter/t.Heartbeat)) }

func publish(conn *nats.Conn, subject string, v any) error {
	b, err := encode(v)
	if err != nil {
		return err
	}
	return conn.Publish(subject, b)
}
