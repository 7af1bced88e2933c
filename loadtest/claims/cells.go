package claims

import (
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// waitWorkload is the workload of T1, T3 and I1.
const waitWorkload = "wait-50ms"

// onOneCPU is the setting of a server that is bound to one CPU.
var onOneCPU = result.Setting{ServerCPUs: "0"}

// The computing cells of T2, I2 and R2.
const (
	cpuWorkload = "cpu-1ms"
	cpuClients  = 64
)

// closed returns the key of a cell of the closed loop over HTTP.
func closed(model, workload string, clients int) result.Key {
	return result.Key{Model: model, Protocol: "http", Workload: workload, Clients: clients, Loop: result.Closed}
}

func with(k result.Key, setting result.Setting) result.Key {
	k.Setting = setting
	return k
}

func keys(cells ...*stats.Cell) []result.Key {
	var out []result.Key
	for _, c := range cells {
		if c != nil {
			out = append(out, c.Key)
		}
	}
	return out
}

// oneAtATime returns the cell that gains are compared with: a server that serves one
// request at a time. One client is enough: with more of them the throughput is the
// same, and they only wait longer.
func oneAtATime(s server, setting result.Setting) result.Key {
	model := "sequential"
	if s.language == CPython {
		model = s.model
	}
	return with(closed(model, waitWorkload, 1), setting)
}
