package wrk

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

// deadline is oha's name for the requests that were in flight at the end of the run.
const deadline = "aborted due to deadline"

// oha is https://github.com/hatoo/oha. The flag for JSON output has changed between its
// versions.
var oha = tool{
	name: "oha", loop: result.Closed,
	args: func(_ string, r run) ([]string, error) {
		args := []string{"--no-tui", "-z", strconv.Itoa(r.seconds) + "s", "-c", strconv.Itoa(r.n), "-t", "10s", "-r", "0", "--disable-compression"}
		help, err := exec.Command("oha", "--help").Output()
		if err != nil {
			return nil, fmt.Errorf("ask oha for its flags: %w", err)
		}
		if strings.Contains(string(help), "--output-format") {
			args = append(args, "--output-format", "json")
		} else {
			args = append(args, "-j")
		}
		return append(args, r.url), nil
	},
	parse: parseOha,
}

// ohaOutput contains the fields of oha's JSON that are used. Times are in seconds.
type ohaOutput struct {
	Summary struct {
		Total     float64 `json:"total"`
		Slowest   float64 `json:"slowest"`
		Fastest   float64 `json:"fastest"`
		TotalData int64   `json:"totalData"`
	} `json:"summary"`
	Percentiles map[string]*float64 `json:"latencyPercentiles"` // null if there are none
	Statuses    map[string]int64    `json:"statusCodeDistribution"`
	Errors      map[string]int64    `json:"errorDistribution"`
}

// ohaPercentiles are the percentiles that oha reports.
var ohaPercentiles = []struct {
	name string
	part float64
}{{"p10", .1}, {"p25", .25}, {"p50", .5}, {"p75", .75}, {"p90", .9}, {"p95", .95}, {"p99", .99}, {"p99.9", .999}, {"p99.99", .9999}}

// parseOha fills a window. oha's JSON contains a few percentiles of the latencies, the
// fastest and the slowest.
func parseOha(out []byte, _ run, w *load.Window) error {
	var o ohaOutput
	if err := json.Unmarshal(out, &o); err != nil {
		return err
	}
	if !(o.Summary.Total > 0) {
		return fmt.Errorf("the run took %v s; want more than 0", o.Summary.Total)
	}
	var n int64
	for status, k := range o.Statuses {
		if k < 0 {
			return fmt.Errorf("%d answers of status %s", k, status)
		}
		if status == "200" {
			n += k
		} else {
			w.Errors[result.KindStatus] += k
		}
	}
	for message, k := range o.Errors {
		if message != deadline {
			w.Errors[ohaError(message)] += k
		}
	}
	if n == 0 {
		return errors.New("no request was answered")
	}
	points := []point{{seconds(o.Summary.Fastest), 0}}
	for _, p := range ohaPercentiles {
		v := o.Percentiles[p.name]
		if v == nil {
			return fmt.Errorf("no percentile %s", p.name)
		}
		points = append(points, point{seconds(*v), p.part})
	}
	points = append(points, point{seconds(o.Summary.Slowest), 1})
	share := w.Length.Seconds() / o.Summary.Total
	all := load.NewInterval(result.Closed)
	if err := spread(all.Service, between(points), float64(n)*share); err != nil {
		return err
	}
	w.Intervals = []*load.Interval{all}
	w.BytesIn = int64(math.Round(float64(o.Summary.TotalData) * share)) // bodies only
	return nil
}

// seconds rounds to the nanosecond.
func seconds(sec float64) time.Duration { return time.Duration(math.Round(sec * float64(time.Second))) }

// ohaError returns the kind of an error. It looks only for words, because the wording of
// oha's messages may change.
func ohaError(message string) string {
	switch message = strings.ToLower(message); {
	case strings.Contains(message, "timeout"), strings.Contains(message, "timed out"):
		return result.KindTimeout
	case strings.Contains(message, "refused"):
		return result.KindRefused
	case strings.Contains(message, "reset"):
		return result.KindReset
	}
	return result.KindOther
}
