package host

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A CPUSet is a list of CPU numbers in ascending order, without repetition.
type CPUSet []int

// ParseCPUs parses a set of CPUs in the notation of taskset(1), such as "0-3,8".
func ParseCPUs(s string) (CPUSet, error) {
	const most = 8192 // the most CPUs that Linux can be built for
	in := map[int]bool{}
	for part := range strings.SplitSeq(s, ",") {
		low, high, isRange := strings.Cut(part, "-")
		if !isRange {
			high = low
		}
		from, err1 := strconv.Atoi(low)
		to, err2 := strconv.Atoi(high)
		if err := errors.Join(err1, err2); err != nil || from < 0 || to < from || to >= most {
			return nil, fmt.Errorf("%q is not a set of CPUs; allowed: numbers and ranges, such as 0-3,8", s)
		}
		for cpu := from; cpu <= to; cpu++ {
			in[cpu] = true
		}
	}
	var set CPUSet
	for cpu := range most {
		if in[cpu] {
			set = append(set, cpu)
		}
	}
	return set, nil
}

func (s CPUSet) String() string {
	var parts []string
	for i := 0; i < len(s); {
		j := i
		for j+1 < len(s) && s[j+1] == s[j]+1 {
			j++
		}
		part := strconv.Itoa(s[i])
		if j > i {
			part += "-" + strconv.Itoa(s[j])
		}
		parts = append(parts, part)
		i = j + 1
	}
	return strings.Join(parts, ",")
}

// Common returns how many CPUs are in both sets.
func (s CPUSet) Common(o CPUSet) (n int) {
	in := map[int]bool{}
	for _, cpu := range o {
		in[cpu] = true
	}
	for _, cpu := range s {
		if in[cpu] {
			n++
		}
	}
	return n
}
