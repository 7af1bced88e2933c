// Package doctor describes how many clients a host can carry, and which limits decide it.
package doctor

import (
	"fmt"
	"io"

	"github.com/tierbench/tierbench/loadtest/host"
	"github.com/tierbench/tierbench/loadtest/table"
)

// memoryPerClient is the memory of a client of the most expensive model: a kernel thread
// with its stacks, and both ends of its connection on this host (99 KB, measured with 9,000
// idle clients on Linux 6.18).
const memoryPerClient = 99 << 10

// tiers are the bands of the claim, each with the number of clients that represents it.
var tiers = []struct {
	name    string
	clients int64
}{{"tens", 10}, {"hundreds", 100}, {"thousands", 1000}, {"ten thousand", 10_000}, {"a hundred thousand", 100_000}, {"a million", 1_000_000}}

// Write writes the limits of a host, and the largest tier that it can carry.
func Write(w io.Writer, c host.Capacity) {
	limits := table.New(table.Left("", "", ""))
	cores := "shared by server and generator"
	if c.Own.CPUs > 0 {
		cores += fmt.Sprintf("; the CPU quota of the control group is %g", c.Own.CPUs)
	}
	limits.Row("cores", c.Cores, cores)
	limits.Row("descriptors", unlimited(c.NoFile), "hard limit of a process; ulimit -Hn")
	limits.Row("open files", unlimited(c.FileMax), "fs.file-max: of all processes")
	limits.Row("ports", c.PortHigh-c.PortLow+1, fmt.Sprintf("net.ipv4.ip_local_port_range %d-%d, for each source address of 127.0.0.0/8", c.PortLow, c.PortHigh))
	t := c.MaxThreads()
	limits.Row("threads", t.Clients, "left for servers; "+t.Why)
	limits.Row("pids", unlimited(c.PIDMax), "kernel.pid_max; threads count as well")
	limits.Row("pids of the group", unlimited(c.CgroupPIDs), "pids.max of the control group")
	limits.Row("processes of a user", unlimited(c.NProc), "RLIMIT_NPROC; ulimit -Hu")
	memory := fmt.Sprintf("available; %d clients at 99 KB, with a thread each", c.MemAvailable/memoryPerClient)
	if c.Own.MemoryBytes > 0 {
		memory += "; the limit of the control group is " + host.Size(c.Own.MemoryBytes)
	}
	limits.Row("memory", host.Size(c.MemAvailable), memory)
	limits.Row("listen backlog", unlimited(c.SomaxConn), "net.core.somaxconn: connections that wait to be accepted")
	limits.Row("SYN backlog", unlimited(c.SynBacklog), "net.ipv4.tcp_max_syn_backlog")
	fmt.Fprintln(w, limits.Text(0))

	bounds := table.New(table.Right(""), table.Left(""))
	bounds.Title, bounds.Indent = "A run on this host can carry:", 2
	for _, b := range c.Bounds() {
		bounds.Row(b.Clients, fmt.Sprintf("clients by %s: %s", b.What, b.Why))
	}
	one, many := host.Least(c.MaxClients(), c.Server(1)), host.Least(c.MaxClients(), c.Server(c.Cores))
	bounds.Row(one.Clients, fmt.Sprintf("clients of a server of one process, by %s: %s", one.What, one.Why))
	if c.Cores > 1 {
		bounds.Row(many.Clients, fmt.Sprintf("clients of a server with a process for each core, by %s: %s", many.What, many.Why))
	}
	fmt.Fprintf(w, "%sThe generator starts as many processes as it needs, each with up to %d clients.\n", bounds.Text(0), c.PerProcess().Clients)
	fmt.Fprintf(w, "\nLargest tier: %s. At most %d clients, by %s.\n", tierOf(one.Clients), one.Clients, one.What)
	if many.Clients > one.Clients {
		fmt.Fprintf(w, "With a process for each core (prefork): %s. At most %d clients; more processes can have more.\n", tierOf(many.Clients), many.Clients)
	}
	if t.Clients < many.Clients {
		fmt.Fprintf(w, "A model with a thread or process for each client reaches its limit at about %d clients: %s.\n", t.Clients, t.Why)
	}
}

// tierOf returns the largest tier that so many clients reach.
func tierOf(clients int64) string {
	name := "none"
	for _, tier := range tiers {
		if tier.clients <= clients {
			name = fmt.Sprintf("%s (%d clients)", tier.name, tier.clients)
		}
	}
	return name
}

func unlimited(n int64) string {
	if n < 0 {
		return "no limit"
	}
	return fmt.Sprint(n)
}
