// Package report writes a run down for its readers: Markdown with charts, a
// table for a terminal, and the Go benchmark format. It needs the record and
// nothing else, so any run folder can be reported again.
package report

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tierbench/tierbench/loadtest/chart"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// MarkdownFile is the report in a run's folder.
const MarkdownFile = "report.md"

// Write puts report.md, bench.txt and charts/*.svg into dir, replacing what is
// there, and removes charts this run no longer has. It works on a run of which
// any part is missing.
func Write(dir string, set *result.Set) error {
	charts := filepath.Join(dir, result.ChartsDir)
	if err := os.MkdirAll(charts, 0o755); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	cells := stats.Cells(&set.Run, set.Repeats)
	for _, c := range chart.All {
		path := filepath.Join(charts, c.File)
		fig, ok := c.Figure(&set.Run, cells)
		if !ok {
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("write report: %w", err)
			}
			continue
		}
		if err := writeTo(path, fig.Draw); err != nil {
			return err
		}
	}
	if err := writeTo(filepath.Join(dir, result.BenchFile), func(w io.Writer) error { return Bench(w, set) }); err != nil {
		return err
	}
	return writeTo(filepath.Join(dir, MarkdownFile), func(w io.Writer) error { return Markdown(w, set) })
}

func writeTo(path string, f func(io.Writer) error) error {
	var b bytes.Buffer
	if err := f(&b); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return result.WriteFile(path, b.Bytes())
}

// WithoutValid are the cells that have no valid repeat, those that were never
// measured among them. A run that answers all it was asked has none.
func WithoutValid(set *result.Set) []result.Key {
	var out []result.Key
	for _, c := range stats.Cells(&set.Run, set.Repeats) {
		if len(c.Valid) == 0 {
			out = append(out, c.Key)
		}
	}
	return out
}
