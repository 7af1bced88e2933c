// Package result is the record of a run: what is written to a folder under
// results/ and read back by everything that draws, compares or judges. It is a
// leaf: it imports nothing else of this module.
//
// Units are base units: seconds, bytes, requests per second. They are part of
// each field's name where a bare number travels.
package result

import (
	"fmt"
	"time"
)

// Schema is the version of the record format. It goes up when a reader of the
// previous one would misunderstand a field, not when a field is added.
const Schema = 1

// A Key names a cell: one measured combination.
type Key struct {
	Model    string `json:"model"`
	Protocol string `json:"protocol"`
	Workload string `json:"workload"`
	Clients  int    `json:"clients"`
	Loop     string `json:"loop"` // "closed" or "open"
}

// String is the cell's name in logs and progress lines.
func (k Key) String() string {
	return fmt.Sprintf("%s %s/%s %s clients=%d", k.Model, k.Protocol, k.Workload, k.Loop, k.Clients)
}

// Loops a Key can name.
const (
	Closed = "closed" // each client sends when its last request is answered
	Open   = "open"   // requests are sent on a schedule
)

// Idle is the workload in which the connections are only held: nothing is
// asked of them until the end, when each must still answer one probe. It is
// how memory per client is measured, so it has no throughput.
const Idle = "idle"

// A Repeat is one measurement of a cell on a fresh server: one line of
// cells.jsonl.
type Repeat struct {
	Run string `json:"run"`
	Key
	Repeat   int       `json:"repeat"` // from 1
	RateRPS  float64   `json:"rate_rps,omitempty"`
	Started  time.Time `json:"started"` // of the measured window
	AskedSec float64   `json:"asked_sec"`
	// DurationSec is the measured window: from its first instant to its last,
	// on the generator's monotonic clock.
	DurationSec float64 `json:"duration_sec"`
	WarmupSec   float64 `json:"warmup_sec"`

	Requests      int64            `json:"requests"` // answered rightly within the window
	Errors        map[string]int64 `json:"errors,omitempty"`
	ThroughputRPS float64          `json:"throughput_rps"`
	BytesIn       int64            `json:"bytes_in,omitempty"`
	BytesOut      int64            `json:"bytes_out,omitempty"`
	// Service is from the actual send of a request to the end of its answer.
	Service  Latency  `json:"service_sec"`
	Response *Latency `json:"response_sec,omitempty"` // open loop only

	Server      Server      `json:"server"`
	Generator   Generator   `json:"generator"`
	Established Established `json:"established"`
	Connect     Connect     `json:"connect"`
	Gates       Gates       `json:"gates"`
	// Warnings say what was not right without bearing on the numbers, such as
	// how the server broke the contract when it was stopped.
	Warnings []string `json:"warnings,omitempty"`
	// Failure is why the repeat ended early, empty when it did not.
	Failure string `json:"failure,omitempty"`
}

// Errored is the number of requests that did not end in a right answer.
func (r *Repeat) Errored() int64 {
	var n int64
	for _, c := range r.Errors {
		n += c
	}
	return n
}

// CPUPerRequestSec is the server's CPU time, user and system, for each
// request answered in the window. It is 0 when nothing was answered.
func (r *Repeat) CPUPerRequestSec() float64 {
	if r.Requests == 0 {
		return 0
	}
	return (r.Server.CPUUserSec + r.Server.CPUSysSec) / float64(r.Requests)
}

// MemoryPerClientBytes is the growth of the server's user memory (PSS) from
// before the load to the end of the window, divided by the clients.
func (r *Repeat) MemoryPerClientBytes() float64 {
	if r.Clients == 0 {
		return 0
	}
	return float64(r.Server.PSSBytes-r.Server.Before.PSSBytes) / float64(r.Clients)
}

// Latency is the summary of a histogram of durations, in seconds.
type Latency struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
}

// Server is what the kernel says of the server's whole process tree. CPU and
// context switches are those of the measured window; the rest is a reading at
// its end, while the connections are still open.
type Server struct {
	CPUUserSec float64 `json:"cpu_user_sec"`
	CPUSysSec  float64 `json:"cpu_sys_sec"`
	// PSSBytes is the proportional set size: pages shared by several processes
	// are counted once. Kernel stacks and sockets are not in it.
	PSSBytes int64 `json:"pss_bytes"`
	// KernelStackBytes is threads times the kernel's stack size.
	KernelStackBytes int64 `json:"kernel_stack_bytes"`
	Threads          int   `json:"threads"`
	Processes        int   `json:"processes"`
	CtxSwitches      int64 `json:"ctx_switches"` // voluntary and not
	FDs              int   `json:"fds"`
	// ConnsPerProcess is how many of the clients' connections each process of
	// the server holds, largest first.
	ConnsPerProcess []int `json:"conns_per_process"`
	// Before is a reading of the same, before the first connection.
	Before Usage `json:"before"`
}

// Usage is a reading of a process tree at one instant.
type Usage struct {
	PSSBytes         int64 `json:"pss_bytes"`
	KernelStackBytes int64 `json:"kernel_stack_bytes"`
	Threads          int   `json:"threads"`
	Processes        int   `json:"processes"`
	FDs              int   `json:"fds"`
}

// Generator is what the load cost on the client's side in the window.
type Generator struct {
	Name    string  `json:"name"` // "vegeta", or a peer such as "wrk"
	CPUSec  float64 `json:"cpu_sec"`
	Workers int     `json:"workers"` // attackers side by side
}

// Established counts the clients' connections in state ESTABLISHED.
type Established struct {
	Server    Ends `json:"server"`    // by the kernel, on the server's side
	Generator Ends `json:"generator"` // by the generator, on its own
}

// Ends are two counts: as the measured window opened and as it closed.
type Ends struct {
	Start int `json:"start"`
	End   int `json:"end"`
}

// Connect says how the connections were opened, before the clock started.
type Connect struct {
	Sec     float64 `json:"sec"`     // all of them
	P99Sec  float64 `json:"p99_sec"` // of a single one
	Refused int     `json:"refused"` // attempts that failed, of any kind
}

// Verdict says whether a repeat counts.
type Verdict string

// Verdicts. A repeat that is not valid is kept but is in no median.
const (
	Valid   Verdict = "valid"
	Suspect Verdict = "suspect"
	Invalid Verdict = "invalid"
)

// Gates is the outcome of the checks a repeat must pass to count.
type Gates struct {
	Verdict Verdict  `json:"verdict"`
	Reasons []string `json:"reasons,omitempty"`
	// Notes name checks that were not made, and why.
	Notes []string `json:"notes,omitempty"`
}

// Second is one line of series.jsonl: what happened in one second of a repeat.
type Second struct {
	Run string `json:"run"`
	Key
	Repeat int `json:"repeat"`
	// AtSec is the end of the interval, from the start of the measured window;
	// IntervalSec is its length.
	AtSec       float64 `json:"at_sec"`
	IntervalSec float64 `json:"interval_sec"`

	Requests   int64   `json:"requests"`
	Errored    int64   `json:"errored"`
	P50Sec     float64 `json:"p50_sec"`
	P99Sec     float64 `json:"p99_sec"`
	CPUUserSec float64 `json:"cpu_user_sec"`
	CPUSysSec  float64 `json:"cpu_sys_sec"`
	Usage
	// CtxSwitches is -1 where the server has so many threads that reading
	// them all each second would disturb it.
	CtxSwitches int64 `json:"ctx_switches"`
	// SampleSec is what the reading of the server itself took.
	SampleSec float64 `json:"sample_sec"`
}

// Run is run.json: what was asked, of which machine, by which code.
type Run struct {
	Schema  int       `json:"schema"`
	ID      string    `json:"id"`   // the folder's name
	Name    string    `json:"name"` // of the config
	Title   string    `json:"title"`
	Started time.Time `json:"started"`
	// Ended is zero while the run is going on, and after it was interrupted.
	Ended       time.Time `json:"ended,omitzero"`
	Interrupted bool      `json:"interrupted,omitempty"`

	ConfigFile string `json:"config_file"`
	ConfigText string `json:"config_text"`
	Generator  string `json:"generator"`
	Seed       uint64 `json:"seed"`
	Repeats    int    `json:"repeats"`
	Cells      []Key  `json:"cells"`  // in the order of the config
	Models     []Info `json:"models"` // in the order of the config
	// Ratios are the comparisons the config asks for.
	Ratios []Ratio `json:"ratios,omitempty"`
	Host   Host    `json:"host"`
	Build  Build   `json:"build"`
	// Absent names models of the config that this machine has no program for,
	// and what is missing.
	Absent map[string]string `json:"absent,omitempty"`
}

// Info describes a model.
type Info struct {
	Name string `json:"name"`
	Doc  string `json:"doc"`
	// Command is the argument list of a server that is not built in.
	Command []string `json:"command,omitempty"`
}

// Ratio asks how a model does beside a peer measured in the same run.
type Ratio struct {
	Model    string `json:"model"`
	Peer     string `json:"peer"`
	Metric   string `json:"metric"` // "throughput", "p99", "cpu" or "memory"
	Protocol string `json:"protocol,omitempty"`
	Workload string `json:"workload,omitempty"`
	// AtLeast and AtMost are the wanted bounds; 0 means none.
	AtLeast float64 `json:"at_least,omitempty"`
	AtMost  float64 `json:"at_most,omitempty"`
}

// Host is the machine, as far as it bears on the numbers.
type Host struct {
	OS       string            `json:"os"`
	Arch     string            `json:"arch"`
	Kernel   string            `json:"kernel"`
	CPUModel string            `json:"cpu_model"`
	Cores    int               `json:"cores"` // this process may run on
	MemBytes int64             `json:"mem_bytes"`
	Virtual  string            `json:"virtual,omitempty"` // hypervisor, if the CPU admits to one
	Load1    float64           `json:"load1"`             // load average of the minute before the run
	Limits   map[string]int64  `json:"limits"`            // nofile, nproc; -1 is none
	Sysctls  map[string]string `json:"sysctls"`
}

// Build is the code that measured.
type Build struct {
	Go      string            `json:"go"`
	Commit  string            `json:"commit,omitempty"`
	Dirty   bool              `json:"dirty,omitempty"`
	Modules map[string]string `json:"modules"` // the libraries that do the work
	Tools   map[string]string `json:"tools,omitempty"`
}
