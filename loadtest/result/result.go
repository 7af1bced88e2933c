// Package result defines the record of a run: what is written to a folder under results/
// and read by everything that draws, compares or judges.
//
// Numbers are in base units: seconds, bytes, requests per second. The name of a field
// includes its unit.
package result

import (
	"fmt"
	"strings"
	"time"
)

// Schema is the version of the record format. It goes up when a reader of the
// previous one would misunderstand a field, not when a field is added. Both schemas are
// read: in schema 1 a rate and a setting are the text that is shown.
const Schema = 2

// A Key names a cell: one measured combination.
type Key struct {
	Model    string `json:"model"`
	Protocol string `json:"protocol"`
	Workload string `json:"workload"`
	Clients  int    `json:"clients"`
	Loop     string `json:"loop"` // "closed" or "open"
	// Rate is what the open loop was asked for.
	Rate Schedule `json:"rate,omitzero"`
	// Setting says how the cell differs from the default.
	Setting Setting `json:"setting,omitzero"`
}

// String is the cell's name in logs and progress lines.
func (k Key) String() string {
	s := fmt.Sprintf("%s %s/%s %s clients=%d", k.Model, k.Protocol, k.Workload, k.Loop, k.Clients)
	if rate := k.Rate.String(); rate != "" {
		s += " rate=" + strings.ReplaceAll(rate, " ", "-")
	}
	if k.Setting != (Setting{}) {
		s += " (" + k.Setting.String() + ")"
	}
	return s
}

// Question returns the key without the model, the clients and the rate: what is asked of the
// server. Cells with the same question are compared with each other.
func (k Key) Question() Key {
	k.Model, k.Clients, k.Rate = "", 0, Schedule{}
	return k
}

// Labels is a key for other programs, with the rate and the setting as they are shown.
type Labels struct {
	Model    string `json:"model"`
	Protocol string `json:"protocol"`
	Workload string `json:"workload"`
	Clients  int    `json:"clients"`
	Loop     string `json:"loop"`
	Rate     string `json:"rate,omitempty"`
	Setting  string `json:"setting,omitempty"`
}

// Labels returns the labels of the key.
func (k Key) Labels() Labels {
	return Labels{k.Model, k.Protocol, k.Workload, k.Clients, k.Loop, k.Rate.String(), k.Setting.String()}
}

// Loops a Key can name.
const (
	Closed = "closed" // each client sends when its last request is answered
	Open   = "open"   // requests are sent on a schedule
)

// Idle is the workload whose connections stay open without requests. At the end each must
// still answer one probe. It measures memory per client, and has no throughput.
const Idle = "idle"

// A Repeat is one measurement of a cell on a fresh server: one line of
// cells.jsonl.
type Repeat struct {
	Run string `json:"run"`
	Key
	Repeat int `json:"repeat"` // from 1
	// Request is what the clients ask for; zero for a mix, whose parts are in Mix.
	Request Request `json:"request,omitzero"`
	// PerRequest says that the clients opened a connection for each request.
	PerRequest bool      `json:"per_request,omitempty"`
	RateRPS    float64   `json:"rate_rps,omitempty"` // open loop: the mean that was asked for
	Started    time.Time `json:"started"`            // of the measured window
	AskedSec   float64   `json:"asked_sec"`
	// AskedRequests is the number of requests that ends the window early; 0 means no limit.
	AskedRequests int64 `json:"asked_requests,omitempty"`
	// DurationSec is the measured window: from its first instant to its last,
	// on the generator's monotonic clock.
	DurationSec float64 `json:"duration_sec"`
	WarmupSec   float64 `json:"warmup_sec"`
	// PhaseSec is how much longer than WarmupSec the warm-up took. It is drawn by the seed, so
	// that the windows do not all begin at the same phase of what the server does.
	PhaseSec float64 `json:"phase_sec,omitempty"`

	Requests      int64            `json:"requests"` // answered rightly within the window
	Errors        map[string]int64 `json:"errors,omitempty"`
	ThroughputRPS float64          `json:"throughput_rps"`
	BytesIn       int64            `json:"bytes_in,omitempty"`
	BytesOut      int64            `json:"bytes_out,omitempty"`
	// Service is from the actual send of a request to the end of its answer.
	Service  Latency  `json:"service_sec"`
	Response *Latency `json:"response_sec,omitempty"` // from the scheduled send; open loop only
	// Unsent requests were due within the window and not sent by its end, as no
	// client was free (open loop).
	Unsent int64 `json:"unsent,omitempty"`
	// InFlight is the number of requests in flight at the end of the window. Each counts in the
	// percentiles of the latency with its age, as a censored observation.
	InFlight int64 `json:"in_flight_at_end,omitempty"`
	// Starved is the number of clients that got no answer in the window; of an open loop only
	// those that waited for one all the time.
	Starved int64 `json:"clients_without_answer,omitempty"`
	// Closes is the number of connections in the window that the server closed after announcing
	// it in an answer; the clients connected again.
	Closes int64 `json:"announced_closes,omitempty"`
	// Idle are the clients that only held their connections; Answered of them
	// answered a probe at the end.
	Idle     int   `json:"idle_clients,omitempty"`
	Answered int64 `json:"idle_answered,omitempty"`
	// CarriedSec corrects Little's law in a window that is only a few requests long. It is
	// the time that requests answered after the window spent in flight within it, minus the
	// time that requests answered within the window spent in flight before it, summed over
	// all clients.
	CarriedSec float64 `json:"carried_sec,omitempty"`
	// Mix has the requests of a mix, by kind.
	Mix      []MixPart `json:"kinds,omitempty"`
	Fairness Fairness  `json:"evenness"`
	Drift    Drift     `json:"drift"`
	// Count is what a counter of the server came to (workload counter).
	Count *Count `json:"count,omitempty"`
	// Fault is what was done to the server in the window.
	Fault *Fault `json:"fault,omitempty"`

	Server      Server      `json:"server"`
	Box         *Box        `json:"box,omitempty"` // that the server was in; nil without one
	Generator   Generator   `json:"generator"`
	Established Established `json:"established"`
	Connect     Connect     `json:"connect"`
	Network     Network     `json:"network"`
	CPUs        CPUs        `json:"cpus"`
	Machine     Machine     `json:"machine"`
	Gates       Gates       `json:"gates"`
	// Warnings are problems that do not affect the numbers, such as a server that broke the
	// contract when it was stopped.
	Warnings []string `json:"warnings,omitempty"`
	// Failure says why the repeat ended early; empty if it did not.
	Failure string `json:"failure,omitempty"`
	// FailureKind is Interrupted, OutOfMemory, or the kind of error, as in Errors, if the clients
	// could not connect.
	FailureKind string `json:"failure_kind,omitempty"`
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

// ServerCores returns how many cores the server used in the mean of the window.
func (r *Repeat) ServerCores() float64 { return r.cores(r.Server.CPUUserSec + r.Server.CPUSysSec) }

// GeneratorCores returns how many cores the generator used in the mean of the window.
func (r *Repeat) GeneratorCores() float64 { return r.cores(r.Generator.CPUSec) }

// ServerCPUs returns how many CPUs the server was allowed, by its affinity and its box; 0 if the
// record does not say.
func (r *Repeat) ServerCPUs() float64 {
	n := float64(r.CPUs.ServerCount)
	if r.Box != nil && r.Box.CPUs > 0 {
		n = min(n, r.Box.CPUs)
	}
	return n
}

func (r *Repeat) cores(cpuSec float64) float64 {
	if r.DurationSec <= 0 {
		return 0
	}
	return cpuSec / r.DurationSec
}

// MemoryPerClientBytes is the growth of the server's user memory (PSS) from
// before the load to the end of the window, divided by the clients.
func (r *Repeat) MemoryPerClientBytes() float64 {
	if r.Clients == 0 {
		return 0
	}
	return float64(r.Server.PSSBytes-r.Server.Before.PSSBytes) / float64(r.Clients)
}

// A MixPart is what was measured of one kind of request of a mix.
type MixPart struct {
	Workload string `json:"workload"` // as in the name of the mix, such as "block-100ms"
	// Clients is how many clients ask only for this; 0 means that each client asks for every
	// kind in turn.
	Clients  int      `json:"clients,omitempty"`
	Requests int64    `json:"requests"`
	Service  Latency  `json:"service_sec"`
	Response *Latency `json:"response_sec,omitempty"` // open loop only
}

// A Count is what a counter came to.
type Count struct {
	Increments int64 `json:"increments"` // answered since the server started
	// Unanswered increments failed or were cut off: the server may or may not
	// have made them.
	Unanswered int64 `json:"unanswered,omitempty"`
	Value      int64 `json:"value"` // of the counter at the end; the largest, if there are several
	// Values are those of the processes, where each has a counter of its own.
	Values []int64 `json:"values,omitempty"`
}

// A Fault is a fault that was injected into a server in the window of a repeat, and its
// effect. The generator measured the rates and times.
type Fault struct {
	// Kind is "panic", "recovered-panic", "fatal", "kill", "stop", "leak",
	// "descriptors" or "crashes".
	Kind    string  `json:"kind"`
	AtSec   float64 `json:"at_sec"`            // from the start of the window
	EndSec  float64 `json:"end_sec,omitempty"` // when it was taken back (kinds "stop", "descriptors"), or injected the last time ("crashes")
	Workers int     `json:"workers"`           // processes of the server with connections before the fault
	Hit     int     `json:"hit,omitempty"`     // connections of the affected process; of several, the most
	Open    int     `json:"open"`              // connections before the fault
	// Lost is the number of connections that failed because of the fault, or had no answer
	// while it lasted (kind "stop").
	Lost    int     `json:"lost"`
	Failed  int64   `json:"failed"`            // requests that failed from AtSec on
	Lived   bool    `json:"lived"`             // the server still answered new connections at the end of the window
	Exits   int     `json:"exits"`             // processes that ended in the window
	Crashes int     `json:"crashes,omitempty"` // number of crashes (kind "crashes")
	Before  float64 `json:"before_rps"`        // throughput before the fault
	After   float64 `json:"after_rps"`         // throughput in the last second of the window
	Low     float64 `json:"low_rps"`           // least throughput of a slice from AtSec on
	P99     float64 `json:"p99_sec"`           // service time before the fault
	// UnaffectedP99 is the service time, from AtSec on, of the connections that were not
	// lost.
	UnaffectedP99 float64 `json:"bystander_p99_sec"`
	// RecoverySec is the time from AtSec until throughput was back at 95 % of Before for
	// good; negative if it never was.
	RecoverySec float64 `json:"recovery_sec"`
	// RPS is the throughput in slices of SliceSec each, over the window.
	RPS      []float64 `json:"rps"`
	SliceSec float64   `json:"slice_sec"`
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

// Server is what the kernel reports of the server's whole process tree. CPU time and
// context switches are those of the measured window; CPU time that was read after its end
// is counted in proportion. The rest is a reading at the end of the window, while the
// connections are still open.
type Server struct {
	CPUUserSec float64 `json:"cpu_user_sec"`
	CPUSysSec  float64 `json:"cpu_sys_sec"`
	Usage
	CtxSwitches int64 `json:"ctx_switches"` // voluntary and not
	// ConnsPerProcess is how many of the clients' connections each process of
	// the server has, largest first.
	ConnsPerProcess []int `json:"conns_per_process"`
	// Before is the usage before the first connection.
	Before Usage `json:"before"`
}

// Usage is a reading of a process tree at one instant.
type Usage struct {
	// PSSBytes is the proportional set size: pages shared by several processes
	// are counted once. Kernel stacks and sockets are not in it.
	PSSBytes int64 `json:"pss_bytes"`
	// KernelStackBytes is threads times the kernel's stack size.
	KernelStackBytes int64 `json:"kernel_stack_bytes"`
	Threads          int   `json:"threads"`
	Processes        int   `json:"processes"`
	FDs              int   `json:"fds"`
	// PageTableBytes and SocketBytes are memory of the kernel: page tables, and the server's
	// TCP sockets. SharedBytes are the pages that several processes map, counted once in each.
	PageTableBytes int64 `json:"page_table_bytes,omitempty"`
	SharedBytes    int64 `json:"shared_bytes,omitempty"`
	SocketBytes    int64 `json:"socket_bytes,omitempty"`
}

// Generator is what the load cost on the clients' side in the window.
type Generator struct {
	Name   string  `json:"name"` // "vegeta", or a peer such as "wrk"
	CPUSec float64 `json:"cpu_sec"`
	Shards int     `json:"workers"` // shards of its load, each with a thread
	// Processes is the number of generator processes; 0 means one.
	Processes int `json:"processes,omitempty"`
	// SendLagP99Sec is how late the generator sent, 99th percentile, counted
	// from when a request was due and a client was free for it (open loop).
	SendLagP99Sec float64 `json:"send_lag_p99_sec,omitempty"`
	// CeilingRPS is the throughput of a generator that never waits. It follows from the CPU
	// time of a request to a server that does nothing, with the same protocol, clients and
	// CPUs; 0 if that was not measured.
	CeilingRPS float64 `json:"ceiling_rps,omitempty"`
}

// Fairness says how evenly the clients were served.
type Fairness struct {
	// Jain is Jain's fairness index of the answers per client: 1 if all got the same
	// number, 1/n if one got all (R. Jain, D. Chiu, W. Hawe, DEC-TR-301, 1984). 0 means
	// unknown.
	Jain float64 `json:"jain,omitempty"`
	Mean float64 `json:"mean,omitempty"` // answers per client
}

// Drift is the change of throughput from the start of the window to its end,
// as a fraction of its mean, by least squares; StdErr is its standard error.
type Drift struct {
	Change float64 `json:"change,omitempty"`
	StdErr float64 `json:"std_err,omitempty"`
	Slices int     `json:"slices,omitempty"` // of the window, used for the fit; 0 means unknown
	// StallSec is the longest time without an answer; SlowShare is the fraction of the slices
	// with less than half as many answers as the median slice.
	StallSec  float64 `json:"stall_sec,omitempty"`
	SlowShare float64 `json:"slow_share,omitempty"`
}

// Network counts TCP problems in this host's network namespace, of any process: while the
// clients connected, and in the window.
type Network struct {
	Connecting Trouble `json:"connecting"`
	Window     Trouble `json:"window"`
	// TimeWait are sockets in TIME_WAIT before the first connection.
	TimeWait int64 `json:"time_wait"`
}

// Trouble has counters of /proc/net/netstat: connections that found the accept queue full,
// and SYN segments that were sent again.
type Trouble struct {
	ListenOverflows int64 `json:"listen_overflows,omitempty"`
	ListenDrops     int64 `json:"listen_drops,omitempty"`
	SynRetransmits  int64 `json:"syn_retransmits,omitempty"`
}

// CPUs are those that the server and the generator were bound to.
type CPUs struct {
	Server    string `json:"server,omitempty"` // such as "0-3,8"
	Generator string `json:"generator,omitempty"`
	// ServerCount and GeneratorCount are the sizes of the sets, Shared the number of CPUs in
	// both. All are 0 in records that do not say.
	ServerCount    int `json:"server_count,omitempty"`
	GeneratorCount int `json:"generator_count,omitempty"`
	Shared         int `json:"shared,omitempty"`
}

// Machine is what else the machine did in the window.
type Machine struct {
	// StolenSec is the CPU time of all cores that the hypervisor gave to other guests.
	StolenSec float64 `json:"stolen_sec,omitempty"`
	// ThrottledSec is CPU time for which the harness's own control groups, which are also those of
	// servers without a box, were stopped because they had used up their CPU quotas.
	ThrottledSec float64 `json:"throttled_sec,omitempty"`
	// Others are processes outside the benchmark that used more than 1 % of a
	// core, the busiest first.
	Others []Process `json:"others,omitempty"`
}

// A Process is a process that ran during the benchmark but does not belong to it.
type Process struct {
	PID   int     `json:"pid"`
	Name  string  `json:"name"`
	Cores float64 `json:"cores"` // mean in the window
}

// Established counts the clients' connections in state ESTABLISHED.
type Established struct {
	Server    Ends `json:"server"`    // by the kernel, on the server's side
	Generator Ends `json:"generator"` // by the generator, on its own
}

// Ends are counts at the start and at the end of the measured window.
type Ends struct {
	Start int `json:"start"`
	End   int `json:"end"`
}

// Connect says how the connections were opened, before the clock started.
type Connect struct {
	Sec     float64 `json:"sec"`               // all of them
	P50Sec  float64 `json:"p50_sec,omitempty"` // of a single one
	P99Sec  float64 `json:"p99_sec"`
	MaxSec  float64 `json:"max_sec,omitempty"`
	Refused int     `json:"refused"` // attempts that failed, of any kind
	// Window has the connects within the window, if clients open a connection for each
	// request.
	Window *Latency `json:"window,omitempty"`
}

// Verdict says whether a repeat counts.
type Verdict string

// Verdicts. The numbers of an invalid repeat are wrong, or not what was asked for: it is
// kept, but is in no median. The numbers of a suspect repeat were measured, but something
// other than the server affected them: it counts, and is marked wherever it is shown.
const (
	Valid   Verdict = "valid"
	Suspect Verdict = "suspect"
	Invalid Verdict = "invalid"
)

// Gates is the outcome of the checks a repeat must pass to count.
type Gates struct {
	Verdict Verdict  `json:"verdict"`
	Reasons []Reason `json:"reasons,omitempty"` // only their texts in old records
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

	Requests int64   `json:"requests"`
	Errored  int64   `json:"errored"`
	P50Sec   float64 `json:"p50_sec"`
	P99Sec   float64 `json:"p99_sec"`
	// ResponseP99Sec is from the scheduled send; open loop only.
	ResponseP99Sec float64 `json:"response_p99_sec,omitempty"`
	CPUUserSec     float64 `json:"cpu_user_sec"`
	CPUSysSec      float64 `json:"cpu_sys_sec"`
	Usage
	// CtxSwitches is -1 if the server has so many threads that reading them each second
	// would disturb it.
	CtxSwitches int64 `json:"ctx_switches"`
	// SampleSec is how long it took to read the server's usage.
	SampleSec float64 `json:"sample_sec"`
}

// A Trial is one line of trials.jsonl: a measurement without clients, such as the price of
// an increment or how many unsynchronised updates are lost.
type Trial struct {
	Run     string    `json:"run"`
	Name    string    `json:"name"`    // "lost-update", "increment", "spawn", …
	Variant string    `json:"variant"` // which way of doing it: "mutex", "flock", …
	Repeat  int       `json:"repeat"`  // from 1
	Started time.Time `json:"started"`
	// Values are the results. Each name includes the unit: "increment_sec".
	Values map[string]float64 `json:"values,omitempty"`
	// Failure says why there are none.
	Failure string `json:"failure,omitempty"`
}

// Run is run.json: the config, the machine and the code.
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
	// SLOs are the objectives that the config sets.
	SLOs  []SLO `json:"slos,omitempty"`
	Host  Host  `json:"host"`
	Build Build `json:"build"`
	// Resumed lists when the run was resumed, in order.
	Resumed []Resumption `json:"resumed,omitempty"`
	// ClaimRules is the version of the claims' rules when the run began.
	ClaimRules string `json:"claim_rules,omitempty"`
	// Absent names models and trials of the config that this machine has no
	// program for, and what is missing.
	Absent map[string]string `json:"absent,omitempty"`
}

// AbsentTrial returns the name of a trial in Run.Absent.
func AbsentTrial(name string) string { return "trial " + name }

// PerCore means one process per core, unless an argument of the server says otherwise.
const PerCore = -1

// Info describes a model.
type Info struct {
	Name string `json:"name"`
	Doc  string `json:"doc"`
	// Processes is how many processes share its connections, or PerCore; 0 means unknown.
	Processes int `json:"processes,omitempty"`
	// Command is the argument list of a server that is not built in.
	Command []string `json:"command,omitempty"`
	// ClosesEach says that the server closes each connection after one answer, so that its
	// clients connect again for each request.
	ClosesEach bool `json:"closes_each,omitempty"`
}

// Ratio asks how a model compares with a peer in the same run.
type Ratio struct {
	Model    string `json:"model"`
	Peer     string `json:"peer"`
	Metric   string `json:"metric"` // "throughput", "p99", "cpu", "memory" or "generator-cpu"
	Protocol string `json:"protocol,omitempty"`
	Workload string `json:"workload,omitempty"`
	// Setting and PeerSetting compare cells with different settings, possibly of one model.
	// If both are empty, cells with equal settings are compared.
	Setting     Setting `json:"setting,omitzero"`
	PeerSetting Setting `json:"peer_setting,omitzero"`
	// AtLeast and AtMost bound the ratio; 0 means no bound.
	AtLeast float64 `json:"at_least,omitempty"`
	AtMost  float64 `json:"at_most,omitempty"`
}

// AcrossSettings reports whether the ratio compares cells of two settings.
func (r *Ratio) AcrossSettings() bool { return r.Setting != Setting{} || r.PeerSetting != Setting{} }

// SLO is a service-level objective: bounds for cells. An empty field of the first group
// matches every cell; an empty one of the second sets no bound.
type SLO struct {
	Model    string  `json:"model,omitempty"`
	Protocol string  `json:"protocol,omitempty"`
	Workload string  `json:"workload,omitempty"`
	Clients  int     `json:"clients,omitempty"`
	Loop     string  `json:"loop,omitempty"`
	Setting  Setting `json:"setting,omitzero"`

	P99Sec        float64  `json:"p99_sec,omitempty"`        // at most
	Errors        *float64 `json:"errors,omitempty"`         // at most, as a part of the requests
	ThroughputRPS float64  `json:"throughput_rps,omitempty"` // at least
	// MemoryBytes is at most the user memory and the kernel stacks of the server's whole
	// process tree.
	MemoryBytes float64 `json:"memory_bytes,omitempty"`
}

// Of reports whether the objective applies to a cell.
func (s *SLO) Of(k *Key) bool {
	return (s.Model == "" || s.Model == k.Model) && (s.Protocol == "" || s.Protocol == k.Protocol) &&
		(s.Workload == "" || s.Workload == k.Workload) && (s.Clients == 0 || s.Clients == k.Clients) &&
		(s.Loop == "" || s.Loop == k.Loop) && (s.Setting == Setting{} || s.Setting == k.Setting)
}

// Host is what affects the numbers on the machine.
type Host struct {
	OS       string `json:"os"`
	Arch     string `json:"arch"`
	Kernel   string `json:"kernel"`
	CPUModel string `json:"cpu_model"`
	Cores    int    `json:"cores"` // this process can use at a time
	MemBytes int64  `json:"mem_bytes"`
	// Cgroup is what the control groups of the harness limit it to. Cores and MemBytes are no more.
	Cgroup  Limits            `json:"cgroup,omitzero"`
	Virtual string            `json:"virtual,omitempty"` // hypervisor, if the CPU admits to one
	Load1   float64           `json:"load1"`             // load average of the minute before the run
	Limits  map[string]int64  `json:"limits"`            // nofile, nproc; -1 is none
	Sysctls map[string]string `json:"sysctls"`
}

// A Resumption is when a run was resumed, and the code that measured from then on.
type Resumption struct {
	At    time.Time `json:"at"`
	Build Build     `json:"build"`
}

// Build is the code that measured.
type Build struct {
	Go      string            `json:"go"`
	Commit  string            `json:"commit,omitempty"`
	Dirty   bool              `json:"dirty,omitempty"`
	Modules map[string]string `json:"modules"` // the libraries that do the work
	Tools   map[string]string `json:"tools,omitempty"`
}
