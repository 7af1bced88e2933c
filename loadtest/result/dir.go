package result

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// Files of a run's folder.
const (
	RunFile        = "run.json"
	CellsFile      = "cells.jsonl"
	SeriesFile     = "series.jsonl"
	TrialsFile     = "trials.jsonl"
	HistogramsFile = "histograms.hlog"
	BenchFile      = "bench.txt"
	RawDir         = "raw"
	ChartsDir      = "charts"
)

// Records are the files and folders that were measured. A report is made from
// them alone. A run need not have all.
var Records = []string{RunFile, CellsFile, SeriesFile, TrialsFile, HistogramsFile, oldHistogramsDir}

// A Set is a whole run, read back.
type Set struct {
	Dir     string
	Run     Run
	Repeats []Repeat
	Seconds []Second
	Trials  []Trial
}

// Load reads the run in dir. A repeat that was measured again, because the run
// was interrupted in it, stands for the earlier one. A last line that was cut short by a crash is
// dropped; any other line that does not parse is an error that names it.
// A missing series is not an error: it is an empty one.
func Load(dir string) (*Set, error) {
	s := &Set{Dir: dir}
	raw, err := os.ReadFile(filepath.Join(dir, RunFile))
	if err != nil {
		return nil, fmt.Errorf("read run: %w", err)
	}
	if err := json.Unmarshal(raw, &s.Run); err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Join(dir, RunFile), err)
	}
	if s.Run.Schema > Schema || s.Run.Schema < 1 {
		return nil, fmt.Errorf("read %s: schema %d, this program knows 1 to %d", filepath.Join(dir, RunFile), s.Run.Schema, Schema)
	}
	s.Run.Schema = Schema // a run that is resumed is written in this schema
	if s.Repeats, err = loadLines[Repeat](filepath.Join(dir, CellsFile)); err != nil {
		return nil, err
	}
	type id struct {
		Key
		repeat int
	}
	s.Repeats = latest(s.Repeats, func(r *Repeat) id { return id{r.Key, r.Repeat} })
	for i := range s.Repeats {
		r := &s.Repeats[i]
		if r.Request == (Request{}) {
			r.Request = ParseRequest(r.Workload)
		}
		if r.Failure == Interrupted { // schema 1 has no kinds
			r.FailureKind = Interrupted
		}
	}
	s.Seconds, err = loadLines[Second](filepath.Join(dir, SeriesFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	// Those of a repeat that was measured again begin anew.
	var last Second
	from := map[id]int{}
	for i := range s.Seconds {
		x := &s.Seconds[i]
		k := id{x.Key, x.Repeat}
		if (id{last.Key, last.Repeat}) != k || x.AtSec <= last.AtSec || x.AtSec <= x.IntervalSec {
			from[k] = i
		}
		last = *x
	}
	i := -1
	s.Seconds = slices.DeleteFunc(s.Seconds, func(x Second) bool {
		i++
		return i < from[id{x.Key, x.Repeat}]
	})
	s.Trials, err = loadLines[Trial](filepath.Join(dir, TrialsFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	type try struct {
		name, variant string
		repeat        int
	}
	s.Trials = latest(s.Trials, func(t *Trial) try { return try{t.Name, t.Variant, t.Repeat} })
	return s, nil
}

// Runs are the folders of the runs in a folder. A link to one, such as latest, is
// not another. It is an error if there are none.
func Runs(results string) ([]string, error) {
	entries, err := os.ReadDir(results)
	if err != nil {
		return nil, fmt.Errorf("look for runs: %w", err)
	}
	var dirs []string
	for _, e := range entries {
		dir := filepath.Join(results, e.Name())
		if _, err := os.Stat(filepath.Join(dir, RunFile)); err == nil && e.IsDir() {
			dirs = append(dirs, dir)
		}
	}
	if len(dirs) == 0 {
		return nil, fmt.Errorf("there is no run in %s", results)
	}
	return dirs, nil
}

// latest keeps the last of those that have the same identity, in its place.
func latest[T any, ID comparable](all []T, id func(*T) ID) []T {
	last := make(map[ID]int, len(all))
	for i := range all {
		last[id(&all[i])] = i
	}
	kept := all[:0]
	for i := range all {
		if last[id(&all[i])] == i {
			kept = append(kept, all[i])
		}
	}
	return kept
}

func loadLines[T any](path string) ([]T, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read record: %w", err)
	}
	defer f.Close()
	out, err := DecodeLines[T](f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return out, nil
}

// DecodeLines reads one JSON value a line. A last line without its newline is
// one whose writing was interrupted, and is dropped. A value that has a Mistake is
// an error.
func DecodeLines[T any](r io.Reader) ([]T, error) {
	var out []T
	br := bufio.NewReader(r)
	for n := 1; ; n++ {
		line, err := br.ReadBytes('\n')
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		var v T
		if err := json.Unmarshal(line, &v); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if c, ok := any(&v).(interface{ Mistake() string }); ok {
			if m := c.Mistake(); m != "" {
				return nil, fmt.Errorf("line %d: %s", n, m)
			}
		}
		out = append(out, v)
	}
}

// A Writer appends to a run's folder. Each repeat is on disk before Append
// returns. It is for one goroutine.
type Writer struct {
	dir    string
	cells  *os.File
	series *os.File
}

// ErrInUse is of a run that is being written to already.
var ErrInUse = errors.New("another tierbench is writing to it")

// Create makes the folder dir, which must not hold a run yet, with its files.
func Create(dir string, run *Run) (*Writer, error) {
	if err := os.MkdirAll(filepath.Join(dir, ChartsDir), 0o755); err != nil {
		return nil, fmt.Errorf("create run: %w", err)
	}
	w, err := open(dir)
	if errors.Is(err, ErrInUse) {
		return nil, fmt.Errorf("create run: %s holds a run already", dir)
	}
	if err != nil {
		return nil, err
	}
	// Looked for only now that the folder is ours: of two that are made at a time, one would write over the other.
	if _, err := os.Stat(filepath.Join(dir, RunFile)); err == nil {
		w.Close()
		return nil, fmt.Errorf("create run: %s holds a run already", dir)
	}
	if err := WriteRun(dir, run); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// Reopen appends to a run that was interrupted. A line cut short by a crash is
// removed first. A run that is still under way is ErrInUse.
func Reopen(dir string) (*Writer, error) {
	w, err := open(dir)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{CellsFile, SeriesFile, TrialsFile, HistogramsFile} {
		if err := dropPartialLine(filepath.Join(dir, name)); err != nil {
			w.Close()
			return nil, fmt.Errorf("reopen run: %w", err)
		}
	}
	return w, nil
}

// open has the folder for itself until the Writer is closed or its process ends.
func open(dir string) (*Writer, error) {
	w := &Writer{dir: dir}
	var err error
	if w.cells, err = os.OpenFile(filepath.Join(dir, CellsFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err != nil {
		return nil, fmt.Errorf("open run: %w", err)
	}
	if err := syscall.Flock(int(w.cells.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		w.cells.Close()
		return nil, fmt.Errorf("open run: %s: %w", dir, ErrInUse)
	} // of a file system that has no locks, nothing is asked
	if w.series, err = os.OpenFile(filepath.Join(dir, SeriesFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err != nil {
		w.cells.Close()
		return nil, fmt.Errorf("open run: %w", err)
	}
	return w, nil
}

func dropPartialLine(path string) error {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(raw) == 0 || raw[len(raw)-1] == '\n' {
		return nil
	}
	return os.Truncate(path, int64(bytes.LastIndexByte(raw, '\n')+1))
}

// Dir is the run's folder.
func (w *Writer) Dir() string { return w.dir }

// Append writes a repeat, its series and its histograms, and waits until they are on
// disk. The repeat goes last: one that is listed has its series and histograms. The
// tags and times of the histograms are set.
func (w *Writer) Append(r *Repeat, seconds []Second, intervals []Interval) error {
	if err := w.appendIntervals(r, intervals); err != nil {
		return fmt.Errorf("append to %s: %w", HistogramsFile, err)
	}
	for i := range seconds {
		if err := appendLine(w.series, &seconds[i]); err != nil {
			return fmt.Errorf("append to %s: %w", SeriesFile, err)
		}
	}
	if err := appendLine(w.cells, r); err != nil {
		return fmt.Errorf("append to %s: %w", CellsFile, err)
	}
	return errors.Join(w.series.Sync(), w.cells.Sync())
}

// AppendTrial writes a trial, and waits until it is on disk. A run without
// trials has no file of them.
func (w *Writer) AppendTrial(t *Trial) error {
	f, err := os.OpenFile(filepath.Join(w.dir, TrialsFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("append trial: %w", err)
	}
	if err := errors.Join(appendLine(f, t), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("append to %s: %w", TrialsFile, err)
	}
	return nil
}

func appendLine(f *os.File, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	return err
}

// Close closes the files.
func (w *Writer) Close() error { return errors.Join(w.cells.Close(), w.series.Close()) }

// WriteRun replaces run.json in dir, whole or not at all.
func WriteRun(dir string, run *Run) error {
	b, err := json.MarshalIndent(run, "", "  ")
	if err != nil {
		return fmt.Errorf("write run: %w", err)
	}
	return WriteFile(filepath.Join(dir, RunFile), append(b, '\n'))
}

// WriteFile replaces a file, whole or not at all.
func WriteFile(path string, b []byte) error {
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, b, 0o644); err != nil {
		os.Remove(tmp) // on a full disk, half of it is there
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(tmp, path); err != nil {
		os.Remove(tmp)
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
