package result

import (
	"strconv"
	"strings"
	"time"
)

// A Request is what each request of a client asks for.
type Request struct {
	Workload string  `json:"workload"`           // "plaintext", "wait", …
	TimeSec  float64 `json:"time_sec,omitempty"` // that the server takes for it; 0 if the workload takes no time
	// PayloadBytes is the payload of an echo; 0 if the record does not say.
	PayloadBytes int `json:"payload_bytes,omitempty"`
}

// ParseRequest parses the name of a workload, such as "wait-50ms" or "echo-100B", for records
// without a request. It returns the zero value for a mix.
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
