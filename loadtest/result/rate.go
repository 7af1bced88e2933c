package result

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tierbench/tierbench/loadtest/quantity"
)

// A Rate is the rate of an open loop. One field is set; the zero value means no rate.
type Rate struct {
	PerSecond float64 `json:"per_second,omitempty"`
	PerClient float64 `json:"per_client,omitempty"` // a second
	// Capacity is a fraction of the throughput of the cell's closed loop.
	Capacity float64 `json:"capacity,omitempty"`
}

func (r Rate) String() string {
	switch {
	case r.PerClient > 0:
		return number(r.PerClient) + quantity.PerSecondAndClient
	case r.Capacity > 0:
		return percent(r.Capacity)
	case r.PerSecond > 0:
		return number(r.PerSecond) + quantity.PerSecond
	}
	return ""
}

// Of returns the rate in requests a second for a number of clients and the throughput of the
// cell's closed loop.
func (r Rate) Of(clients int, capacity float64) float64 {
	return r.PerSecond + r.PerClient*float64(clients) + r.Capacity*capacity
}

// Shapes of an open loop's rate.
const (
	Constant = "constant" // the rate throughout
	Steps    = "steps"    // the rate to To in equal steps
	Linear   = "linear"   // from the rate to To
	Sine     = "sine"     // around the rate, by Amplitude, once a period
)

// A Shape says how the rate of an open loop changes over the window.
type Shape struct {
	Kind      string  `json:"kind,omitempty"` // empty is constant
	To        Rate    `json:"to,omitzero"`
	Steps     int     `json:"steps,omitempty"`
	Amplitude Rate    `json:"amplitude,omitzero"`
	PeriodSec float64 `json:"period_sec,omitempty"`
}

// Changes reports whether the rate changes within the window.
func (s Shape) Changes() bool { return s.Kind != "" && s.Kind != Constant }

// Period returns the period of a sine.
func (s Shape) Period() time.Duration {
	return time.Duration(math.Round(s.PeriodSec * float64(time.Second)))
}

func (s Shape) String() string {
	switch s.Kind {
	case Steps:
		return fmt.Sprintf("%d steps to %v", s.Steps, s.To)
	case Linear:
		return fmt.Sprintf("linear to %v", s.To)
	case Sine:
		return fmt.Sprintf("sine of %v in %v", s.Amplitude, s.Period())
	}
	return ""
}

// A Schedule says when an open loop sends: the rate, and how it changes. It is zero in a closed
// loop.
type Schedule struct {
	Rate
	Shape Shape `json:"shape,omitzero"`
}

// String returns the schedule as it is shown: "70%" or "500/s, linear to 900/s".
func (s Schedule) String() string {
	if s.Shape.Changes() {
		return s.Rate.String() + ", " + s.Shape.String()
	}
	return s.Rate.String()
}

// Rounded returns the schedule with the precision with which it is shown. Keys that look the
// same are the same.
func (s Schedule) Rounded() Schedule {
	out, _ := ParseSchedule(s.String())
	return out
}

// ParseSchedule parses the text of String, for records of schema 1.
func ParseSchedule(text string) (Schedule, error) {
	rate, shape, _ := strings.Cut(text, ", ")
	s := Schedule{Rate: ParseRate(rate), Shape: parseShape(shape)}
	if s.String() != text {
		return Schedule{}, fmt.Errorf("%q is not a rate; allowed: a rate such as 500/s, 2/s per client or 70%%, and how it changes, such as 500/s, linear to 900/s", text)
	}
	return s, nil
}

// ParseRate parses the text of String. It returns the zero value if the text is not a rate.
func ParseRate(text string) (r Rate) {
	if v, ok := quantity.Parse(text, quantity.PerSecondAndClient); ok {
		r.PerClient = v
	} else if v, ok := quantity.Parse(text, quantity.PerSecond); ok {
		r.PerSecond = v
	} else if v, ok := quantity.Percent(text); ok {
		r.Capacity = v
	}
	return r
}

// parseShape returns the zero value if the text is not a shape.
func parseShape(text string) Shape {
	if to, ok := strings.CutPrefix(text, "linear to "); ok {
		return Shape{Kind: Linear, To: ParseRate(to)}
	}
	if n, to, ok := strings.Cut(text, " steps to "); ok {
		steps, _ := strconv.Atoi(n)
		return Shape{Kind: Steps, Steps: steps, To: ParseRate(to)}
	}
	if of, ok := strings.CutPrefix(text, "sine of "); ok {
		amplitude, period, _ := strings.Cut(of, " in ")
		d, _ := time.ParseDuration(period)
		return Shape{Kind: Sine, Amplitude: ParseRate(amplitude), PeriodSec: d.Seconds()}
	}
	return Shape{}
}

// UnmarshalJSON decodes an object, or the text of schema 1.
func (s *Schedule) UnmarshalJSON(b []byte) error {
	if text, ok, err := quoted(b); ok {
		if err == nil {
			*s, err = ParseSchedule(text)
		}
		return err
	}
	type object Schedule
	return json.Unmarshal(b, (*object)(s))
}
