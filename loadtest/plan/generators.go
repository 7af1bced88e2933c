package plan

import (
	"slices"
	"strings"
)

// Generators that can make the load.
const (
	Vegeta = "vegeta" // the project's own, on vegeta
	Stock  = "stock"  // vegeta as its library is used by most: a peer
	Wrk    = "wrk"    // with one thread
	WrkAll = "wrk-t"  // with a thread for each core
	// WrkSame has as many threads as the project's own generator has shards.
	WrkSame = "wrk-same"
	Oha     = "oha"  // https://github.com/hatoo/oha
	Wrk2    = "wrk2" // https://github.com/giltene/wrk2: the open loop only
)

var generators = []string{Vegeta, Stock, Wrk, WrkAll, WrkSame, Oha, Wrk2}

// gets are the workloads that are asked for by a GET that never changes.
var gets = []string{"plaintext", "wait", "block", "cpu"}

// CanDo reports whether a generator can ask for a workload, or for which it can.
func CanDo(generator string, w Workload) (ok bool, allowed string) {
	switch generator {
	case Wrk, WrkAll, WrkSame, Oha, Wrk2:
		one := len(w.Requests) == 1 && w.Protocol == "http" && slices.Contains(gets, w.Requests[0].Workload)
		return one, "http/" + strings.Join(gets, ", http/")
	case Stock:
		one := len(w.Requests) == 1 && w.Protocol == "http"
		return one && (w.Requests[0].Workload == "plaintext" || w.Requests[0].Workload == "echo"), "http/plaintext, http/echo"
	}
	return true, ""
}
