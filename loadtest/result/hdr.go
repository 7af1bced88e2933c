package result

import (
	"fmt"
	"strings"
)

// HDRFile is the name, in HDRDir, of a repeat's HdrHistogram log. Intervals
// without a tag, or tagged ServiceTag, are service times; those of an open loop's
// response times are tagged ResponseTag. All are in nanoseconds.
func HDRFile(k Key, repeat int) string {
	parts := []string{k.Model, k.Protocol, k.Workload, fmt.Sprint(k.Clients), k.Loop}
	for _, s := range []string{k.Rate, k.Setting} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Map(func(r rune) rune {
		if r <= ' ' || strings.ContainsRune(`/\:*?"<>|`, r) {
			return '_'
		}
		return r
	}, fmt.Sprintf("%s-%d.hlog", strings.Join(parts, "-"), repeat))
}

// Tags of the intervals in a HdrHistogram log.
const (
	ServiceTag  = "service"
	ResponseTag = "response"
)
