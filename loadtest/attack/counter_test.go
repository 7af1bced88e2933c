package attack

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

// Each connection's answers come from one of two processes with a counter each:
// what is read must be what each of them was asked for, wherever the window was.
func TestACounterIsReadFromEachProcess(t *testing.T) {
	for _, perRequest := range []bool{false, true} {
		var mu sync.Mutex
		counts := map[int]int64{}
		addr := serveHTTP(t, func(n int, r *http.Request) string {
			mu.Lock()
			defer mu.Unlock()
			pid := 100 + n%2
			if r.Method == "POST" {
				counts[pid]++
				return "ok"
			}
			return fmt.Sprintf("%d %d\n", counts[pid], pid)
		})
		c, _, err := Connect(t.Context(), httpTarget(addr, "counter"), load.Population{Clients: 6, PerRequest: perRequest}, Options{Shards: 2})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		w, err := c.Run(t.Context(), load.Work{Loop: result.Closed, Warmup: 50 * time.Millisecond, Length: 100 * time.Millisecond}, load.Hooks{})
		if err != nil || len(w.Errors) != 0 {
			t.Fatalf("err %v, errors %v", err, w.Errors)
		}
		mu.Lock()
		defer mu.Unlock()
		if !maps.Equal(w.Readings, counts) || len(counts) != 2 {
			t.Errorf("read %v, the servers counted %v", w.Readings, counts)
		}
		if w.Increments != counts[100]+counts[101] || w.Unanswered != 0 || w.Increments <= w.Whole().Service.TotalCount() {
			t.Errorf("%d increments of %v, %d in the window", w.Increments, counts, w.Whole().Service.TotalCount())
		}
	}
}

// What was sent and not answered may or may not have been counted.
func TestUnansweredIncrementsAreKnown(t *testing.T) {
	var mu sync.Mutex
	var counted int64
	addr := serveHTTP(t, func(n int, r *http.Request) string {
		mu.Lock()
		defer mu.Unlock()
		if r.Method == "GET" {
			return fmt.Sprintf("%d 7\n", counted)
		}
		if counted++; counted == 20 {
			return "ko"
		}
		return "ok"
	})
	c := connect(t, httpTarget(addr, "counter"), 2, Options{})
	w, err := c.Run(t.Context(), load.Work{Loop: result.Closed, Length: time.Minute, Requests: 200}, load.Hooks{})
	if err != nil || !maps.Equal(w.Errors, map[string]int64{result.KindBytes: 1}) {
		t.Fatalf("err %v, errors %v", err, w.Errors)
	}
	mu.Lock()
	defer mu.Unlock()
	if w.Unanswered != 1 || w.Increments != counted-1 || w.Readings[7] != counted {
		t.Errorf("%d answered, %d not, read %v of %d", w.Increments, w.Unanswered, w.Readings, counted)
	}
}

func TestParseReading(t *testing.T) {
	if v, pid, err := parseReading([]byte("1234 77\n")); v != 1234 || pid != 77 || err != nil {
		t.Errorf("%d %d %v", v, pid, err)
	}
	for _, bad := range []string{"", "1234", "1234 77", "1234  77\n", "x 77\n", "1234 77\n\n", "01 77\n", "1 2 3\n"} {
		if v, pid, err := parseReading([]byte(bad)); !errors.Is(err, errBytes) {
			t.Errorf("%q is read as %d of %d, err %v", bad, v, pid, err)
		}
	}
}

func TestReadingsOfTwoGeneratorsAreJoined(t *testing.T) {
	var w load.Window
	w.Add(&load.Window{Increments: 5, Readings: map[int]int64{1: 9, 2: 4}})
	w.Add(&load.Window{Increments: 8, Unanswered: 1, Readings: map[int]int64{2: 5, 3: 1}})
	if !maps.Equal(w.Readings, map[int]int64{1: 9, 2: 5, 3: 1}) || w.Increments != 13 || w.Unanswered != 1 {
		t.Errorf("%+v", w)
	}
}
