package result

import (
	"strconv"
	"strings"
	"time"
)

// A Request is what a client asks for each time.
type Request struct {
	Workload string  `json:"workload"`           // "plaintext", "wait", …
	TimeSec  float64 `json:"time_sec,omitempty"` // that it is to take, if it takes one
	// PayloadBytes are those of an echo; 0 is not known.
	PayloadBytes int `json:"payload_bytes,omitempty"`
}

// ParseRequest reads what the name of a workload says, for records that do not say it by
// themselves: "wait-50ms", "echo-100B". It is the zero value of a mix.
func ParseRequest(name string) Request {
	if strings.Contains(name, "+") {
		return Request{}
	}
	i := strings.LastIndexByte(name, '-')
	if i <= 0 {
		return Request{Workload: name}
	}
	r := Request{Workload: name[:i]}
	if d, err := time.ParseDuration(name[i+1:]); err == nil && d > 0 {
		r.TimeSec = d.Seconds()
		return r
	}
	if n, ok := strings.CutSuffix(name[i+1:], "B"); ok {
		if v, err := strconv.Atoi(n); err == nil && v > 0 {
			r.PayloadBytes = v
			return r
		}
	}
	return Request{Workload: name}
}
