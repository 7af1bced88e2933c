package counter

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/tierbench/tierbench/servers"
)

const workerEnv = "COUNTER_TEST_WORKER" // the method, and how often to add, in a process that a test has started

func TestMain(m *testing.M) {
	if what := os.Getenv(workerEnv); what != "" {
		if err := work(what); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// work adds when it is told to, with some goroutines, and prints the value it sees at the end.
func work(task string) error {
	name, times, _ := strings.Cut(task, " ")
	n, err := strconv.Atoi(times)
	if err != nil {
		return err
	}
	m, err := Find(name)
	if err != nil {
		return err
	}
	c, release, err := m.Open("")
	if err != nil {
		return err
	}
	defer release()
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	if err := add(c, workers, n); err != nil {
		return err
	}
	v, err := value(c)
	fmt.Println(v)
	return err
}

// add counts with some workers at once, n each.
func add(c servers.Counter, workers, n int) error {
	errs := make(chan error, workers)
	for range workers {
		go func() { errs <- addAlone(c, n) }()
	}
	for range workers {
		if err := <-errs; err != nil {
			return err
		}
	}
	return nil
}

// addAlone is a worker of add. Its cell is free again when it returns, so that the next worker
// finds it.
func addAlone(c servers.Counter, n int) error {
	cell := c.Cell()
	defer cell.Release()
	for range n {
		if err := cell.Add(); err != nil {
			return err
		}
	}
	return nil
}

func value(c servers.Counter) (int64, error) {
	cell := c.Cell()
	defer cell.Release()
	return cell.Value()
}

const (
	workers = 4
	times   = 2000
)

func TestNothingIsLost(t *testing.T) {
	for _, m := range Methods {
		t.Run(m.Name, func(t *testing.T) {
			c, release, err := m.Open(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			defer release()
			for round := int64(1); round <= 2; round++ {
				if err := add(c, workers, times); err != nil {
					t.Fatal(err)
				}
				got, err := value(c)
				if err != nil {
					t.Fatal(err)
				}
				want := round * workers * times
				if m.Exact && got != want {
					t.Errorf("%d after %d increments", got, want)
				}
				// Each worker gives its turn away between load and store, so that with several of
				// them some must be lost.
				if !m.Exact && got >= want {
					t.Errorf("%d after %d increments: none was lost", got, want)
				}
			}
		})
	}
}

// One worker loses nothing, whatever it counts with: that is what an event loop is.
func TestOneWorkerLosesNothing(t *testing.T) {
	c := &none{apart: func() {}}
	if err := add(c, 1, times); err != nil {
		t.Fatal(err)
	}
	if got, _ := value(c); got != times {
		t.Errorf("%d after %d increments", got, times)
	}
}

func TestProcessesShare(t *testing.T) {
	const processes = 3
	for _, m := range Methods {
		if !m.Processes {
			continue
		}
		t.Run(m.Name, func(t *testing.T) {
			parent := t.TempDir()
			c, release, err := m.Open(parent)
			if err != nil {
				t.Fatal(err)
			}
			var begins []io.WriteCloser
			var all sync.WaitGroup
			for range processes {
				exe, err := os.Executable()
				if err != nil {
					t.Fatal(err)
				}
				cmd := exec.CommandContext(t.Context(), exe)
				cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d", workerEnv, m.Name, times))
				in, err := cmd.StdinPipe()
				if err != nil {
					t.Fatal(err)
				}
				begins = append(begins, in)
				all.Go(func() {
					out, err := cmd.CombinedOutput()
					if err != nil {
						t.Errorf("worker process: %v: %s", err, out)
						return
					}
					v, err := strconv.Atoi(strings.TrimSpace(string(out)))
					if err != nil || v < workers*times || v > processes*workers*times {
						t.Errorf("a worker process sees %s after %d increments of its own and at most %d in all", out, workers*times, processes*workers*times)
					}
				})
			}
			for _, in := range begins {
				if _, err := io.WriteString(in, "go\n"); err != nil {
					t.Error(err)
				}
			}
			all.Wait()
			if got, err := value(c); err != nil || got != processes*workers*times {
				t.Errorf("%d (%v) after %d increments", got, err, processes*workers*times)
			}
			release()
			if left, _ := filepath.Glob(filepath.Join(parent, "*")); len(left) > 0 {
				t.Errorf("%v is left", left)
			}
			if os.Getenv(dirEnv) != "" {
				t.Error("the environment still names the directory")
			}
		})
	}
}

// Cells are used again: a server has many connections one after the other.
func TestLocalCellsAreReused(t *testing.T) {
	c := new(local)
	for range 1000 {
		if err := add(c, 1, 1); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := value(c); got != 1000 {
		t.Errorf("%d after 1000 increments", got)
	}
	if len(c.all) != 1 {
		t.Errorf("%d cells for one worker at a time", len(c.all))
	}
}

// A pipe whose owner has died must be an error, and not a wait without end.
func TestPipeWithoutItsOwner(t *testing.T) {
	dir := t.TempDir()
	first, err := openPipe(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	second, err := openPipe(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	defer second.close()
	first.close()
	if err := second.Cell().Add(); err == nil {
		t.Error("an increment is not counted until somebody reads it")
	}
	if _, err := openPipe(dir, false); err == nil {
		t.Error("a pipe without a reader was opened")
	}
}

// A worker whose directory is gone says so.
func TestWorkerWithoutItsDirectory(t *testing.T) {
	t.Setenv(dirEnv, filepath.Join(t.TempDir(), "gone"))
	for _, m := range Methods {
		if !m.Processes {
			continue
		}
		if _, _, err := m.Open(""); err == nil || !strings.Contains(err.Error(), m.Name) {
			t.Errorf("%s: error %v, want one that names it", m.Name, err)
		}
	}
}

func TestFind(t *testing.T) {
	for _, m := range Methods {
		if got, err := Find(m.Name); err != nil || got.Name != m.Name || m.Doc == "" {
			t.Errorf("%s: %v, %v", m.Name, got.Name, err)
		}
	}
	_, err := Find("abacus")
	if err == nil || !strings.Contains(err.Error(), "abacus") || !strings.Contains(err.Error(), "flock") {
		t.Errorf("error %v, want one that says what there is", err)
	}
}

func BenchmarkAdd(b *testing.B) {
	for _, m := range Methods {
		b.Run(m.Name, func(b *testing.B) {
			c, release, err := m.Open(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			defer release()
			b.RunParallel(func(pb *testing.PB) {
				cell := c.Cell()
				defer cell.Release()
				for pb.Next() {
					if err := cell.Add(); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
