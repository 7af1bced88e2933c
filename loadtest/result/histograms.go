package result

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Clocks of a latency. They are the last part of a Tag.
const (
	ServiceClock  = "service"  // from the actual send
	ResponseClock = "response" // from the scheduled send; open loop only
)

// An Interval is what was measured of a repeat in a part of its window, usually
// one second.
type Interval struct {
	Start, End time.Time
	// Service and Response are in nanoseconds. Response is nil in a closed loop.
	Service, Response *hdrhistogram.Histogram
}

// Tag names the latencies of a repeat by one clock in HistogramsFile:
//
//	model/protocol/workload/clients/loop[@rate][/setting]/repeat/clock
//
// Each part is escaped as a URL's path is, because a tag must have no space and
// no comma. No two repeats share a tag.
func Tag(k Key, repeat int, clock string) string {
	loop := k.Loop
	if k.Rate != (Schedule{}) {
		loop += "@" + k.Rate.String()
	}
	parts := []string{k.Model, k.Protocol, k.Workload, strconv.Itoa(k.Clients), loop}
	if k.Setting != (Setting{}) {
		parts = append(parts, k.Setting.String())
	}
	parts = append(parts, strconv.Itoa(repeat), clock)
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.Join(parts, "/")
}

// appendIntervals adds the histograms of a repeat to HistogramsFile, and waits
// until they are on disk. The file exists only if the run has histograms.
func (w *Writer) appendIntervals(r *Repeat, intervals []Interval) error {
	if len(intervals) == 0 {
		return nil
	}
	f, err := openAppend(w.dir, HistogramsFile)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	info, err := f.Stat()
	if err == nil && info.Size() == 0 {
		err = logHead(&b, r.Run, intervals[0].Start)
	}
	err = errors.Join(err, encodeIntervals(&b, r, intervals))
	if err == nil {
		_, err = f.Write(b.Bytes())
	}
	return errors.Join(err, f.Sync(), f.Close())
}

// logHead writes the header of a HdrHistogram log. The intervals have absolute times, so
// that a resumed run need not know when it began.
func logHead(b *bytes.Buffer, run string, start time.Time) error {
	log := hdrhistogram.NewHistogramLogWriter(b)
	return errors.Join(
		log.OutputComment(fmt.Sprintf("[tierbench %s: latencies in nanoseconds]", run)),
		log.OutputLogFormatVersion(),
		log.OutputStartTime(start.UnixMilli()),
		log.OutputLegend())
}

func encodeIntervals(b *bytes.Buffer, r *Repeat, intervals []Interval) error {
	log := hdrhistogram.NewHistogramLogWriter(b)
	for _, i := range intervals {
		for _, by := range []struct {
			clock string
			*hdrhistogram.Histogram
		}{{ServiceClock, i.Service}, {ResponseClock, i.Response}} {
			if by.Histogram == nil {
				continue
			}
			by.SetTag(Tag(r.Key, r.Repeat, by.clock))
			by.SetStartTimeMs(i.Start.UnixMilli())
			by.SetEndTimeMs(i.End.UnixMilli())
			if err := log.OutputIntervalHistogram(by.Histogram); err != nil {
				return err
			}
		}
	}
	return nil
}

// Histograms are the latencies of a run's repeats.
type Histograms struct {
	dir  string
	tags map[string][]string // lines by tag
	old  bool                // the run has oldHistogramsDir
}

// ReadHistograms reads the log of the run in dir. A last line that was cut short
// by a crash is dropped. A run without a log has no histograms, which is not an error.
func ReadHistograms(dir string) (*Histograms, error) {
	_, err := os.Stat(filepath.Join(dir, oldHistogramsDir))
	all := &Histograms{dir: dir, tags: map[string][]string{}, old: err == nil}
	raw, err := os.ReadFile(filepath.Join(dir, HistogramsFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read histograms: %w", err)
	}
	ended := map[string]float64{}
	n := 0
	for line := range strings.Lines(string(raw)) {
		n++
		tagged, ok := strings.CutPrefix(line, "Tag=")
		if !ok || !strings.HasSuffix(line, "\n") {
			continue
		}
		fields := strings.SplitN(tagged, ",", 4)
		if len(fields) < 4 {
			return nil, fmt.Errorf("read histograms: %s, line %d: %d fields after the tag, want 4", HistogramsFile, n, len(fields)-1)
		}
		tag := fields[0]
		start, err := strconv.ParseFloat(fields[1], 64)
		length, err2 := strconv.ParseFloat(fields[2], 64)
		if err := errors.Join(err, err2); err != nil {
			return nil, fmt.Errorf("read histograms: %s, line %d: %w", HistogramsFile, n, err)
		}
		// The intervals of a repeat follow each other without a gap. After a gap the repeat
		// starts over: the run was interrupted, and measured the repeat again.
		if math.Abs(start-ended[tag]) > 0.0005 {
			all.tags[tag] = nil
		}
		all.tags[tag] = append(all.tags[tag], line)
		ended[tag] = start + length
	}
	return all, nil
}

// Of returns the latencies of a repeat by a clock, in nanoseconds. It returns nil if there
// are none.
func (all *Histograms) Of(k Key, repeat int, clock string) (*hdrhistogram.Histogram, error) {
	tag := Tag(k, repeat, clock)
	if lines := all.tags[tag]; lines != nil {
		h, err := sum([]byte(strings.Join(lines, "")), tag)
		if err != nil {
			return nil, fmt.Errorf("read %s of %s: %w", tag, filepath.Join(all.dir, HistogramsFile), err)
		}
		return h, nil
	}
	if !all.old {
		return nil, nil
	}
	name := filepath.Join(all.dir, oldHistograms(k, repeat))
	raw, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read histograms: %w", err)
	}
	tags := []string{clock}
	if clock == ServiceClock {
		tags = append(tags, "") // of a closed loop
	}
	h, err := sum(raw, tags...)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return h, nil
}

// File returns the path, within the run's folder, of the file with the latencies of a
// repeat. It is empty if there is none.
func (all *Histograms) File(k Key, repeat int) string {
	if all.tags[Tag(k, repeat, ServiceClock)] != nil {
		return HistogramsFile
	}
	if name := oldHistograms(k, repeat); all.old {
		if _, err := os.Stat(filepath.Join(all.dir, name)); err == nil {
			return name
		}
	}
	return ""
}

// sum adds up the intervals of a log that have one of the tags. It returns nil if they
// are all empty.
func sum(log []byte, tags ...string) (*hdrhistogram.Histogram, error) {
	var total *hdrhistogram.Histogram
	r := hdrhistogram.NewHistogramLogReader(bytes.NewReader(log))
	for {
		h, err := r.NextIntervalHistogram()
		switch {
		case err != nil:
			return nil, err
		case h == nil:
			return total, nil
		case !slices.Contains(tags, h.Tag()) || h.TotalCount() == 0:
		case total == nil:
			total = h
		default:
			total.Merge(h)
		}
	}
}

// oldHistogramsDir is a folder in older runs with a log for each repeat. The intervals are
// tagged with the clock; in a closed loop they have no tag.
const oldHistogramsDir = "hdr"

func oldHistograms(k Key, repeat int) string {
	return filepath.Join(oldHistogramsDir, RepeatFile(k, repeat, "hlog"))
}

// RepeatFile returns the name of a file with data of one repeat.
func RepeatFile(k Key, repeat int, extension string) string {
	parts := []string{k.Model, k.Protocol, k.Workload, fmt.Sprint(k.Clients), k.Loop}
	for _, s := range []string{k.Rate.String(), k.Setting.String()} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Map(func(r rune) rune {
		if r <= ' ' || strings.ContainsRune(`/\:*?"<>|`, r) {
			return '_'
		}
		return r
	}, fmt.Sprintf("%s-%d.%s", strings.Join(parts, "-"), repeat, extension))
}
