package wrk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

// summary makes wrk and wrk2 print their numbers unrounded.
const summary = `
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("\ntierbench {\"requests\":%d,\"duration_us\":%d,\"bytes\":%d,", summary.requests, summary.duration, summary.bytes))
  io.write(string.format("\"connect\":%d,\"read\":%d,\"write\":%d,\"status\":%d,\"timeout\":%d", e.connect, e.read, e.write, e.status, e.timeout))
`

// script makes wrk print its whole histogram as well.
const script = summary + `
  io.write(",\"values\":[")
  for i = 1, #latency do
    local value, count = latency(i)
    io.write(string.format("%s[%d,%d]", i > 1 and "," or "", value, count))
  end
  io.write("]}\n")
end
`

// wrk is https://github.com/wg/wrk.
var wrk = tool{
	name: "wrk", loop: result.Closed,
	args: func(dir string, r run) ([]string, error) {
		lua := filepath.Join(dir, "done.lua")
		return []string{"-t" + strconv.Itoa(r.threads), "-c" + strconv.Itoa(r.n), "-d" + strconv.Itoa(r.seconds) + "s",
			"--timeout", "10s", "--latency", "-s", lua, r.url}, os.WriteFile(lua, []byte(script), 0o600)
	},
	parse: parseWrk,
}

// output is the line that the script prints.
type output struct {
	Requests   int64      `json:"requests"`
	DurationUS int64      `json:"duration_us"`
	Bytes      int64      `json:"bytes"`
	Connect    int64      `json:"connect"`
	Read       int64      `json:"read"`
	Write      int64      `json:"write"`
	Status     int64      `json:"status"`
	Timeout    int64      `json:"timeout"`
	Values     [][2]int64 `json:"values"` // latency in µs, number of requests
}

// read parses the line that the script printed.
func read(out []byte) (o output, err error) {
	_, line, found := bytes.Cut(out, []byte("\ntierbench "))
	if !found {
		return o, errors.New("the script printed no result")
	}
	line, _, _ = bytes.Cut(line, []byte("\n"))
	if err := json.Unmarshal(line, &o); err != nil {
		return o, err
	}
	if o.DurationUS <= 0 {
		return o, fmt.Errorf("the run took %d µs; want more than 0", o.DurationUS)
	}
	return o, nil
}

// addErrors adds the errors of the whole run to a window.
func (o *output) addErrors(w *load.Window) {
	for kind, n := range map[string]int64{
		"connect": o.Connect, "read": o.Read, "write": o.Write, result.KindStatus: o.Status, result.KindTimeout: o.Timeout,
	} {
		if n > 0 {
			w.Errors[kind] = n
		}
	}
}

// parseWrk fills a window. wrk counts over its whole run, and the window gets its share.
// Its histogram may contain more values than there were requests, because wrk adds
// values for waits that were longer than expected.
func parseWrk(out []byte, _ run, w *load.Window) error {
	o, err := read(out)
	if err != nil {
		return err
	}
	share := float64(w.Length.Microseconds()) / float64(o.DurationUS)
	values := make([]value, len(o.Values))
	for i, v := range o.Values {
		values[i] = value{time.Duration(v[0]) * time.Microsecond, float64(v[1])}
	}
	all := load.NewInterval(result.Closed)
	if err := spread(all.Service, values, float64(o.Requests)*share); err != nil {
		return err
	}
	w.Intervals = []*load.Interval{all}
	o.addErrors(w)
	w.BytesIn = int64(math.Round(float64(o.Bytes) * share))
	return nil
}
