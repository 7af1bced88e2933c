package statstest

import (
	"math/rand/v2"

	"github.com/tierbench/tierbench/loadtest/result"
)

// Scaling is a run of seven tiers over HTTP. Two models follow the Universal
// Scalability Law within 2 %, with peaks at 313 and at 97 clients; prefork goes up and
// down, which the law does not fit.
func Scaling() *result.Set {
	rnd := rand.New(rand.NewPCG(11, 12))
	laws := map[string][3]float64{"eventloop": {2000, 0.02, 1e-5}, "thread": {1800, 0.05, 1e-4}}
	set := Run([]int{1, 10, 30, 100, 300, 500, 900}, 5)
	http := func(k result.Key) bool { return k.Protocol == "http" }
	var cells []result.Key
	for _, k := range set.Run.Cells {
		if http(k) {
			cells = append(cells, k)
		}
	}
	var repeats []result.Repeat
	for _, r := range set.Repeats {
		if !http(r.Key) {
			continue
		}
		n := float64(r.Clients)
		x := 20e3
		if l, ok := laws[r.Model]; ok {
			x = l[0] * n / (1 + l[1]*(n-1) + l[2]*n*(n-1))
		} else if r.Clients == 10 || r.Clients == 100 || r.Clients == 500 {
			x = 5e3
		}
		r.ThroughputRPS = x * (0.98 + 0.04*rnd.Float64())
		r.Requests = int64(r.ThroughputRPS * r.DurationSec)
		repeats = append(repeats, r)
	}
	set.Run.Cells, set.Repeats = cells, repeats
	return set
}
