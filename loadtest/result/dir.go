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

// Records are the files and folders with what was measured. A report is made from
// them alone. A run need not have all of them.
var Records = []string{RunFile, CellsFile, SeriesFile, TrialsFile, HistogramsFile, oldHistogramsDir}

// A Set is a whole run, read back.
type Set struct {
	Dir     string
	Run     Run
	Repeats []Repeat
	Seconds []Second
	Trials  []Trial
}

// Load reads the run in dir. A repeat that was measured again, because the run was
// interrupted in it, replaces the earlier one. Load drops a last line that a crash cut
// short. Any other line that does not parse is an error that names the line. A missing
// series is read as an empty one.
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
	// Keep only the latest series of a repeat: one that was measured again starts over.
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

// Runs lists the folders of the runs in a folder. It skips links such as latest. It is an
// error if there is no run.
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

// latest keeps only the last of the values with the same identity.
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

// DecodeLines reads one JSON value a line. It drops a last line without a newline, because
// its writing was interrupted. A value that has a Mistake is an error.
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

// ErrInUse is returned for a run that another process is writing.
var ErrInUse = errors.New("another tierbench is writing to it")

// Create makes the folder dir with its files. It must not contain a run yet.
func Create(dir string, run *Run) (*Writer, error) {
	if err := os.MkdirAll(filepath.Join(dir, ChartsDir), 0o755); err != nil {
		return nil, fmt.Errorf("create run: %w", err)
	}
	w, err := open(dir)
	if errors.Is(err, ErrInUse) {
		return nil, fmt.Errorf("create run: %s already contains a run", dir)
	}
	if err != nil {
		return nil, err
	}
	// The lock comes first: of two runs created at once, one would otherwise overwrite the other.
	if _, err = os.Stat(filepath.Join(dir, RunFile)); err == nil {
		err = fmt.Errorf("create run: %s already contains a run", dir)
	} else {
		err = WriteRun(dir, run)
	}
	if err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// Reopen appends to a run that was interrupted, after removing a line that a crash cut
// short. It returns ErrInUse if the run is still under way.
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

// open locks the folder until the Writer is closed or its process ends.
func open(dir string) (*Writer, error) {
	w := &Writer{dir: dir}
	var err error
	if w.cells, err = openAppend(dir, CellsFile); err != nil {
		return nil, fmt.Errorf("open run: %w", err)
	}
	if err := syscall.Flock(int(w.cells.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		w.cells.Close()
		return nil, fmt.Errorf("open run: %s: %w", dir, ErrInUse)
	} // any other error means a file system without locks, which is allowed
	if w.series, err = openAppend(dir, SeriesFile); err != nil {
		w.cells.Close()
		return nil, fmt.Errorf("open run: %w", err)
	}
	return w, nil
}

func openAppend(dir, name string) (*os.File, error) {
	return os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
}

func dropPartialLine(path string) error {
	raw, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case len(raw) == 0 || raw[len(raw)-1] == '\n':
		return nil
	}
	return os.Truncate(path, int64(bytes.LastIndexByte(raw, '\n')+1))
}

// Dir is the run's folder.
func (w *Writer) Dir() string { return w.dir }

// Append writes a repeat, its series and its histograms, and waits until they are on disk.
// It writes the repeat last, so that a listed repeat always has its series and histograms.
// It sets the tags and times of the histograms.
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

// AppendTrial writes a trial, and waits until it is on disk. The file exists only if the run
// has trials.
func (w *Writer) AppendTrial(t *Trial) error {
	f, err := openAppend(w.dir, TrialsFile)
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
	err := os.WriteFile(tmp, b, 0o644)
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		os.Remove(tmp) // a full disk leaves part of the file
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
