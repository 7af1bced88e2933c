package doctor

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tierbench/tierbench/loadtest/host"
	"github.com/tierbench/tierbench/loadtest/result"
)

func TestTheLargestTier(t *testing.T) {
	var b bytes.Buffer
	Write(&b, host.Capacity{Cores: 2, NoFile: 1024, FileMax: -1, MemAvailable: -1, PortLow: 32768, PortHigh: 60999, PIDMax: 600, ThreadsMax: -1, NProc: -1, CgroupPIDs: -1, Tasks: 100})
	for _, w := range []string{"Largest tier: hundreds (100 clients). At most 768 clients, by descriptors.", "(prefork): thousands (1000 clients). At most 1459 clients", "processes as it needs, each with up to 768 clients", "reaches its limit at about 500 clients: kernel.pid_max is 600, 100 in use"} {
		if !strings.Contains(b.String(), w) {
			t.Errorf("no %q in\n%s", w, &b)
		}
	}
}

func TestTheLimitsOfAControlGroup(t *testing.T) {
	var b bytes.Buffer
	Write(&b, host.Capacity{Cores: 1, NoFile: -1, FileMax: -1, MemAvailable: 290 << 20, PIDMax: -1, ThreadsMax: -1, NProc: -1, CgroupPIDs: -1,
		Own: host.Own{Limits: result.Limits{CPUs: 1, MemoryBytes: 300 << 20}}})
	for _, w := range []string{"the CPU quota of the control group is 1\n", "290 MiB", "the limit of the control group is 300 MiB\n"} {
		if !strings.Contains(b.String(), w) {
			t.Errorf("no %q in\n%s", w, &b)
		}
	}
}
