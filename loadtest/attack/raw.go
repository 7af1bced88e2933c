package attack

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/tierbench/tierbench/loadtest/load"
)

// A Sample is one request of the window.
type Sample struct {
	sent     time.Duration // on the clock
	service  time.Duration
	in, out  int32
	exchange int32
	err      string // kind of error, "" for a right answer
}

// maxSamples is the most that a shard keeps: half a gigabyte of them.
const maxSamples = 10_000_000

// keep keeps a request for Samples.
func (r *recorder) keep(cl *client, e *exchange, now time.Duration, err error) {
	if len(r.samples) == maxSamples {
		return
	}
	s := Sample{sent: cl.sent, service: now - cl.sent, out: int32(len(e.request)), exchange: int32(cl.exchange)}
	if err != nil {
		s.err = Classify(err)
	} else {
		s.in = int32(cl.answer.size)
	}
	r.samples = append(r.samples, s)
}

// Samples are the requests of the window in the order in which they were sent,
// if they were asked for by Options.Raw. Whole is false if there were more than
// are kept. It is for after Run.
func (c *Clients) Samples() (all []Sample, whole bool) {
	whole = true
	for _, sh := range c.shards {
		all = append(all, sh.recorder.samples...)
		whole = whole && len(sh.recorder.samples) < maxSamples
	}
	slices.SortFunc(all, func(a, b Sample) int { return int(a.sent - b.sent) })
	return all, whole
}

// RawFormats are the formats of vegeta that WriteRaw writes.
var RawFormats = []string{"gob", "csv", "json"}

// WriteRaw writes samples as vegeta's results, for `vegeta report`, `vegeta
// plot` and the like. Each request is one result; its time is the actual send
// and its latency the service time. name is the attack's.
func (c *Clients) WriteRaw(w io.Writer, format, name string, samples []Sample) error {
	var encode vegeta.Encoder
	switch format {
	case "gob":
		encode = vegeta.NewEncoder(w)
	case "csv":
		encode = vegeta.NewCSVEncoder(w)
	case "json":
		encode = vegeta.NewJSONEncoder(w)
	default:
		return fmt.Errorf("no raw format %q; allowed: %q", format, RawFormats)
	}
	for i, s := range samples {
		r := vegeta.Result{
			Attack: name, Seq: uint64(i), Timestamp: c.clock.base.Add(s.sent), Latency: s.service,
			BytesOut: uint64(s.out), BytesIn: uint64(s.in), Error: s.err,
		}
		r.Method, r.URL = c.asked(c.shards[0].script.exchanges[s.exchange].asks)
		if s.err == "" {
			r.Code = http.StatusOK
		}
		if err := encode(&r); err != nil {
			return err
		}
	}
	return nil
}

// asked names a request the way that vegeta does, without its query. A raw echo,
// which has no method, is an ECHO.
func (c *Clients) asked(w load.Workload) (method, url string) {
	if w.Protocol != "http" {
		return "ECHO", "tcp://" + c.target.Addr
	}
	path, _, _ := strings.Cut(w.Path, "?")
	return w.Method, "http://" + c.target.Addr + path
}
