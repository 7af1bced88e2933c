package live

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tierbench/tierbench/loadtest"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/trial"
)

// Metrics is a watcher that Prometheus can scrape. Its gauges describe the last second,
// and are 0 between two windows.
type Metrics struct {
	registry *prometheus.Registry
	now      func() time.Time

	run, cell                                     *prometheus.GaugeVec
	steps, done, clients, throughput, p99, errors prometheus.Gauge
	repeats                                       *prometheus.CounterVec
	warnings, requests, failed                    prometheus.Counter

	mu     sync.Mutex
	leftAt time.Time     // when the estimate was made
	leftIs time.Duration // the estimate
}

var _ Watcher = (*Metrics)(nil)

// NewMetrics returns a watcher with a registry of its own.
func NewMetrics() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), now: time.Now}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "tierbench", Name: name, Help: help})
		m.registry.MustRegister(g)
		return g
	}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: "tierbench", Name: name, Help: help})
		m.registry.MustRegister(c)
		return c
	}
	m.run = prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "tierbench", Name: "run_info", Help: "The run; always 1."}, []string{"run", "config"})
	m.cell = prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "tierbench", Name: "cell_info", Help: "The cell that is being measured; always 1."},
		[]string{"model", "protocol", "workload", "clients", "loop", "rate", "setting", "repeat"})
	m.repeats = prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "tierbench", Name: "repeats_total", Help: "Repeats that ended, by verdict."}, []string{"verdict"})
	m.registry.MustRegister(m.run, m.cell, m.repeats)
	for _, v := range []result.Verdict{result.Valid, result.Suspect, result.Invalid} {
		m.repeats.WithLabelValues(string(v)) // 0 from the start
	}
	m.steps = gauge("steps", "Number of repeats of the run.")
	m.done = gauge("steps_done", "Number of repeats that have ended, including those from before the run was resumed.")
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "tierbench", Name: "left_seconds", Help: "Estimated time to the end of the run.",
	}, m.leftSec))
	m.clients = gauge("clients", "Clients of the cell that is being measured.")
	m.throughput = gauge("requests_per_second", "Requests answered in the last second of the window.")
	m.p99 = gauge("service_time_p99_seconds", "p99 of the service time in the last second of the window.")
	m.errors = gauge("errors_per_second", "Requests that failed in the last second of the window.")
	m.requests = counter("requests_total", "Requests answered within windows.")
	m.failed = counter("errors_total", "Requests that failed within windows.")
	m.warnings = counter("warnings_total", "Warnings about repeats.")
	return m
}

// Gatherer returns the registry of the metrics.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

func (m *Metrics) leftSec() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.leftAt.IsZero() {
		return 0
	}
	return max(0, m.leftIs-m.now().Sub(m.leftAt)).Seconds()
}

// Begin sets the metrics that stay the same for the whole run.
func (m *Metrics) Begin(s Start) {
	m.run.WithLabelValues(s.Run.ID, s.Run.Name).Set(1)
	m.steps.Set(float64(s.Steps))
	m.done.Set(float64(s.Done))
}

// Event updates the other metrics.
func (m *Metrics) Event(ev loadtest.Event) {
	switch {
	case ev.Warning != "":
		m.warnings.Inc()
		return
	case ev.Second != nil:
		m.second(ev.Second)
		m.requests.Add(float64(ev.Second.Requests))
		m.failed.Add(float64(ev.Second.Errored))
		return
	}
	m.mu.Lock()
	m.leftIs, m.leftAt = ev.Left, m.now()
	m.mu.Unlock()
	m.second(&loadtest.Progress{})
	m.cell.Reset()
	if ev.Repeat != nil {
		m.clients.Set(0)
		m.done.Set(float64(ev.N))
		m.repeats.WithLabelValues(string(ev.Repeat.Gates.Verdict)).Inc()
		return
	}
	k := ev.Step.Key.Labels()
	m.clients.Set(float64(k.Clients))
	m.cell.WithLabelValues(k.Model, k.Protocol, k.Workload, strconv.Itoa(k.Clients), k.Loop, k.Rate, k.Setting, strconv.Itoa(ev.Step.Repeat)).Set(1)
}

func (m *Metrics) second(p *loadtest.Progress) {
	m.throughput.Set(float64(p.Requests))
	m.p99.Set(p.P99Sec)
	m.errors.Set(float64(p.Errored))
}

// Trial does nothing: no metric describes a trial.
func (m *Metrics) Trial(trial.Event) {}

// End sets the metrics of the current repeat to 0.
func (m *Metrics) End(error) {
	m.mu.Lock()
	m.leftIs = 0
	m.mu.Unlock()
	m.second(&loadtest.Progress{})
	m.cell.Reset()
}

// Serve answers GET /metrics on an address until stop is called. If addr has no host, Serve
// listens on the loopback interface: the network sees the metrics only if addr says so.
func (m *Metrics) Serve(addr string) (at net.Addr, stop func(), err error) {
	if !strings.Contains(addr, ":") {
		addr = ":" + addr
	}
	if strings.HasPrefix(addr, ":") {
		addr = "127.0.0.1" + addr
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, nil, fmt.Errorf("serve metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = srv.Serve(ln) // returns after stop
	}()
	return ln.Addr(), func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := srv.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
			_ = srv.Close()
		}
		<-ended
	}, nil
}
