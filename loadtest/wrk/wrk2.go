package wrk

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

// From wrk2's source, src/wrk.c and wrk.h: each thread opens a connection every 5 ms. Ten
// seconds after the last, it discards what it has recorded so far.
const (
	wrk2Stagger   = 5 * time.Millisecond
	wrk2Calibrate = 10 * time.Second
)

// wrk2Script does not print the histogram, which scripts cannot read in wrk2. wrk2 prints
// it itself.
const wrk2Script = summary + `
  io.write("}\n")
end
`

// wrk2 is https://github.com/giltene/wrk2. Its program must be installed under the name
// wrk2; its makefile calls it wrk, which is the name of the other tool.
var wrk2 = tool{
	name: "wrk2", loop: result.Open,
	args: func(dir string, r run) ([]string, error) {
		lua := filepath.Join(dir, "done.lua")
		return []string{"-t" + strconv.Itoa(r.threads), "-c" + strconv.Itoa(r.n), "-d" + strconv.Itoa(r.seconds) + "s",
			"-R" + strconv.FormatFloat(math.Round(r.rate), 'f', 0, 64), "--timeout", "10s", "-U", "-s", lua, r.url}, os.WriteFile(lua, []byte(wrk2Script), 0o600)
	},
	parse: parseWrk2,
	lead:  func(r run) time.Duration { return wrk2Calibrate + wrk2Ramp(r) },
}

// wrk2Ramp returns how long wrk2 takes to open its connections.
func wrk2Ramp(r run) time.Duration { return time.Duration((r.n-1)/r.threads) * wrk2Stagger }

// parseWrk2 fills a window. The clients of wrk2 connect one after the other, and each
// follows its schedule from then on. So the mean rate is the number of requests divided
// by the average time that a client had a schedule. The two histograms cover only the
// part of the run that wrk2 measured.
func parseWrk2(out []byte, r run, w *load.Window) error {
	o, err := read(out)
	if err != nil {
		return err
	}
	mean := float64(o.DurationUS)/1e6 - wrk2Ramp(r).Seconds()/2
	if mean <= 0 {
		return fmt.Errorf("the run took %d µs; want more than the time to connect", o.DurationUS)
	}
	share := w.Length.Seconds() / mean
	all := load.NewInterval(result.Open)
	recorded, uncorrected, found := bytes.Cut(out, []byte("Uncorrected Latency"))
	if !found {
		return errors.New("no uncorrected latencies")
	}
	response, err := spectrum(recorded)
	if err != nil {
		return fmt.Errorf("recorded latency: %w", err)
	}
	service, err := spectrum(uncorrected)
	if err != nil {
		return fmt.Errorf("uncorrected latency: %w", err)
	}
	n := float64(o.Requests) * share
	if err := errors.Join(spread(all.Response, response, n), spread(all.Service, service, n)); err != nil {
		return err
	}
	w.Intervals = []*load.Interval{all}
	w.Due = int64(math.Round(r.rate * w.Length.Seconds()))
	o.addErrors(w)
	w.BytesIn = int64(math.Round(float64(o.Bytes) * share))
	return nil
}

// spectrum parses a detailed percentile spectrum. Each line has a value in milliseconds,
// the fraction of the values up to it, and their number.
func spectrum(out []byte) ([]value, error) {
	_, table, found := bytes.Cut(out, []byte("Detailed Percentile spectrum:"))
	if !found {
		return nil, errors.New("no percentile spectrum")
	}
	var points []point
	for lines := bufio.NewScanner(bytes.NewReader(table)); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if strings.HasPrefix(line, "#") {
			break
		}
		f := strings.Fields(line)
		if len(f) < 3 || f[0] == "Value" {
			continue
		}
		ms, err1 := strconv.ParseFloat(f[0], 64)
		count, err2 := strconv.ParseFloat(f[2], 64)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		if n := len(points); n > 0 && count < points[n-1].upTo {
			return nil, fmt.Errorf("the counts must not fall: %q", line)
		}
		points = append(points, point{seconds(ms / 1e3), count})
	}
	return between(points), nil
}
