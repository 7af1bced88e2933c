package result

import (
	"fmt"
	"math"
)

// most exceeds every number of seconds, bytes or requests that can be measured: a
// million gigabytes. The square of such a number is still a finite float.
const most = 1e15

// Mistake returns what cannot have been measured: a missing model, or a number that is
// negative or absurd. It returns "" if the record is sound, so that code which draws the
// numbers need not check them. CPU time may be negative: the time of a process that ended
// in the window may be missing from the second reading.
func (r *Repeat) Mistake() string {
	if r.Model == "" {
		return "model: is missing"
	}
	type number struct {
		field string
		value float64
	}
	all := []number{
		{"clients", float64(r.Clients)}, {"repeat", float64(r.Repeat)}, {"rate_rps", r.RateRPS}, {"duration_sec", r.DurationSec},
		{"requests", float64(r.Requests)}, {"throughput_rps", r.ThroughputRPS},
		{"server.cpu_user_sec", math.Abs(r.Server.CPUUserSec)}, {"server.cpu_sys_sec", math.Abs(r.Server.CPUSysSec)},
		{"server.pss_bytes", float64(r.Server.PSSBytes)}, {"server.kernel_stack_bytes", float64(r.Server.KernelStackBytes)},
		{"server.threads", float64(r.Server.Threads)}, {"server.processes", float64(r.Server.Processes)},
		{"generator.cpu_sec", math.Abs(r.Generator.CPUSec)}, {"generator.ceiling_rps", r.Generator.CeilingRPS},
		{"connect.sec", r.Connect.Sec},
	}
	latency := func(field string, l *Latency) {
		if l != nil {
			all = append(all, number{field + ".mean", l.Mean}, number{field + ".p50", l.P50}, number{field + ".p90", l.P90},
				number{field + ".p99", l.P99}, number{field + ".p999", l.P999}, number{field + ".max", l.Max})
		}
	}
	latency("service_sec", &r.Service)
	latency("response_sec", r.Response)
	for i := range r.Mix {
		k := &r.Mix[i]
		field := fmt.Sprintf("kinds[%d].", i)
		all = append(all, number{field + "requests", float64(k.Requests)})
		latency(field+"service_sec", &k.Service)
		latency(field+"response_sec", k.Response)
	}
	for _, n := range all {
		if !(n.value >= 0 && n.value <= most) {
			return fmt.Sprintf("%s: is %v; allowed: 0 to %g", n.field, n.value, most)
		}
	}
	return ""
}
