package servers

import (
	"encoding/json"
	"fmt"
	"os"
)

// An Order is what a master tells a worker process that it starts from its own program. It does without the command line,
// which takes a third of the memory and of the time that a small process has.
type Order struct {
	Model    string
	LogLevel string
	Config   Config // but for what a process cannot be given: see there
}

const orderEnv = "TIERBENCH_ORDER"

// Env is how an Order is given to a process: a line for its environment.
func (o Order) Env() (string, error) {
	b, err := json.Marshal(o)
	return orderEnv + "=" + string(b), err
}

// ReadOrder returns what this process was started for by a master, or ok = false when it was started by anybody else.
func ReadOrder() (o Order, ok bool, err error) {
	text, ok := os.LookupEnv(orderEnv)
	if !ok {
		return Order{}, false, nil
	}
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return Order{}, true, fmt.Errorf("read the order in %s: %w", orderEnv, err)
	}
	return o, true, nil
}

// Ordered reports whether this process is a worker that was started by an Order.
func Ordered() bool {
	_, ok := os.LookupEnv(orderEnv)
	return ok
}
