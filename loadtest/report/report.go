// Package report writes reports of a run: a page and Markdown with charts, a table for a
// terminal, CSV, and the Go benchmark format. It needs only the record, so any run can be
// reported again.
package report

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/tierbench/tierbench/loadtest/chart"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// The reports in a run's folder.
const (
	MarkdownFile = "report.md"
	HTMLFile     = "report.html"
)

// Write writes report.md, report.html, bench.txt and charts/ into dir. It replaces existing
// files, and removes charts that the run no longer has. Any part of the run may be missing.
func Write(dir string, set *result.Set) error { return WriteWithin(dir, set, nil) }

// WriteWithin does the same, with report.html as a page of a site: it starts with the links.
func WriteWithin(dir string, set *result.Set, site []Link) error {
	charts := filepath.Join(dir, result.ChartsDir)
	if err := os.MkdirAll(charts, 0o755); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	drawn, err := draw(set)
	if err != nil {
		return err
	}
	kept := map[string]bool{}
	for _, d := range drawn {
		kept[d.figure.Name()+".svg"], kept[d.figure.Name()+".png"] = true, true
	}
	if err := each(drawn, func(d *drawing) error {
		path := filepath.Join(charts, d.figure.Name())
		return errors.Join(result.WriteFile(path+".svg", d.svg), writeTo(path+".png", d.figure.PNG))
	}); err != nil {
		return err
	}
	there, err := os.ReadDir(charts)
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	for _, f := range there {
		if ending := filepath.Ext(f.Name()); (ending == ".svg" || ending == ".png") && !kept[f.Name()] {
			if err := os.Remove(filepath.Join(charts, f.Name())); err != nil {
				return fmt.Errorf("write report: %w", err)
			}
		}
	}
	for name, f := range map[string]func(io.Writer) error{
		result.BenchFile: func(w io.Writer) error { return Bench(w, set) },
		MarkdownFile:     func(w io.Writer) error { return markdown(w, set, drawn) },
		HTMLFile:         func(w io.Writer) error { return page(w, set, drawn, site) },
	} {
		if err := writeTo(filepath.Join(dir, name), f); err != nil {
			return err
		}
	}
	return nil
}

// A drawing is a chart of the run, drawn.
type drawing struct {
	chart  chart.Chart
	figure *chart.Figure
	svg    []byte
}

func (d *drawing) draw() error {
	var b bytes.Buffer
	if err := d.figure.SVG(&b); err != nil {
		return fmt.Errorf("draw %s: %w", d.figure.Name(), err)
	}
	d.svg = b.Bytes()
	return nil
}

// each calls f for each drawing, on all CPUs. It joins the errors.
func each(drawn []*drawing, f func(*drawing) error) error {
	errs := make([]error, len(drawn))
	var next atomic.Int64
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(drawn) {
					return
				}
				errs[i] = f(drawn[i])
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// Summary says in a sentence how far the run can be trusted, and returns the verdict: "valid",
// "suspect" or "invalid".
func Summary(set *result.Set) (headline, verdict string) {
	var p pageData
	newView(set).judge(&p)
	return p.Headline, p.Verdict
}

// HostLine describes the machine of a run in a few words.
func HostLine(run *result.Run) string { return host(run.Host) }

// A Drawer draws single charts of a run, for pages other than its report.
type Drawer struct{ src *chart.Source }

// NewDrawer returns a Drawer for a run. It draws no latency spectra: they need the histograms.
func NewDrawer(set *result.Set) *Drawer {
	return &Drawer{&chart.Source{Run: &set.Run, Cells: stats.Cells(&set.Run, set.Repeats), Seconds: set.Seconds}}
}

// Images returns the charts of these names, of the given cells only, as elements of a page
// that need no other file.
func (d *Drawer) Images(names []string, cells []result.Key) ([]template.HTML, error) {
	src := d.src.Only(func(c *stats.Cell) bool { return slices.Contains(cells, c.Key) })
	var all []*drawing
	for _, name := range names {
		for _, c := range chart.All {
			if c.Name == name {
				for _, f := range c.Figures(src) {
					all = append(all, &drawing{chart: c, figure: f})
				}
			}
		}
	}
	if err := each(all, (*drawing).draw); err != nil {
		return nil, err
	}
	var out []template.HTML
	for _, f := range all {
		out = append(out, template.HTML(`<img class="static" loading="lazy" alt="`+template.HTMLEscapeString(f.figure.Alt())+`" `+string(picture(f.svg))+`>`))
	}
	return out, nil
}

// draw makes the charts that the run has data for.
func draw(set *result.Set) ([]*drawing, error) {
	all, err := result.ReadHistograms(set.Dir)
	if err != nil {
		return nil, err
	}
	var broken error
	// Histograms are decoded when they are drawn: those of a whole run take a gigabyte.
	latencies := func(c *stats.Cell) []*hdrhistogram.Histogram {
		hs, err := histograms(all, c)
		broken = errors.Join(broken, err)
		return hs
	}
	src := &chart.Source{Run: &set.Run, Cells: stats.Cells(&set.Run, set.Repeats), Seconds: set.Seconds, Latencies: latencies}
	var out []*drawing
	for _, c := range chart.All {
		for _, f := range c.Figures(src) {
			out = append(out, &drawing{chart: c, figure: f})
		}
	}
	if broken != nil {
		return nil, broken
	}
	return out, each(out, (*drawing).draw)
}

func writeTo(path string, f func(io.Writer) error) error {
	var b bytes.Buffer
	if err := f(&b); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return result.WriteFile(path, b.Bytes())
}

// WithoutValid returns the cells without a repeat that counts, including those that were
// never measured.
func WithoutValid(set *result.Set) []result.Key {
	var out []result.Key
	for _, c := range stats.Cells(&set.Run, set.Repeats) {
		if len(c.Counted) == 0 {
			out = append(out, c.Key)
		}
	}
	return out
}
