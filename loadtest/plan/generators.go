package plan

import "github.com/tierbench/tierbench/loadtest/load"

// The generators: the project's own, and peers, some of them with different
// numbers of threads.
const (
	Vegeta  = "vegeta" // the project's own, on vegeta
	Stock   = load.Stock
	Wrk     = load.Wrk   // with one thread
	WrkAll  = "wrk-t"    // with a thread for each core
	WrkSame = "wrk-same" // with as many threads as the project's own generator has shards
	Oha     = load.Oha
	Wrk2    = load.Wrk2 // the open loop only
)

var generators = []string{Vegeta, Stock, Wrk, WrkAll, WrkSame, Oha, Wrk2}

// peers maps the generators other than Vegeta to the peer that they run.
var peers = map[string]string{
	Stock: load.Stock, Wrk: load.Wrk, WrkAll: load.Wrk, WrkSame: load.Wrk, Oha: load.Oha, Wrk2: load.Wrk2,
}

// Program returns the name of the program that a generator needs, "" if it needs none.
func Program(generator string) string {
	if p := peers[generator]; p != load.Stock {
		return p
	}
	return ""
}

// CanDo reports whether a generator can drive a workload. Allowed lists the
// workloads that it can drive.
func CanDo(generator string, w Workload) (ok bool, allowed string) {
	peer := peers[generator]
	if peer == "" {
		return true, ""
	}
	_, _, err := load.Target{Protocol: w.Protocol, Requests: w.Requests}.For(peer)
	return err == nil, load.Workloads.Where(func(w load.Workload) bool { return w.DrivenBy(peer) }).String()
}
