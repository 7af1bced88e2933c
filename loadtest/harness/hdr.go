package harness

import (
	"bytes"
	"fmt"
	"path/filepath"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

// writeHDR writes the times of a repeat as a HdrHistogram log: one interval for
// each second, in nanoseconds, for the usual plotters. Those of an open loop
// are tagged: the service times and the response times.
func writeHDR(dir string, r *result.Repeat, w *load.Window) error {
	var buf bytes.Buffer
	log := hdrhistogram.NewHistogramLogWriter(&buf)
	name := result.HDRFile(r.Key, r.Repeat)
	fail := func(err error) error { return fmt.Errorf("write %s: %w", name, err) }
	if err := log.OutputComment(fmt.Sprintf("[tierbench %s: %v, repeat %d, times in nanoseconds]", r.Run, r.Key, r.Repeat)); err != nil {
		return fail(err)
	}
	if err := log.OutputLogFormatVersion(); err != nil {
		return fail(err)
	}
	start := w.Started.UnixMilli()
	if err := log.OutputStartTime(start); err != nil {
		return fail(err)
	}
	if err := log.OutputLegend(); err != nil {
		return fail(err)
	}
	log.SetBaseTime(start)
	for i, s := range w.Intervals {
		from := time.Duration(i) * time.Second
		for _, h := range []*hdrhistogram.Histogram{s.Service, s.Response} {
			if h == nil {
				continue
			}
			h.SetStartTimeMs(start + from.Milliseconds())
			h.SetEndTimeMs(start + min(from+time.Second, w.Length).Milliseconds())
			if s.Response != nil {
				h.SetTag(map[bool]string{true: result.ServiceTag, false: result.ResponseTag}[h == s.Service])
			}
			if err := log.OutputIntervalHistogram(h); err != nil {
				return fail(err)
			}
		}
	}
	return result.WriteFile(filepath.Join(dir, name), buf.Bytes())
}
