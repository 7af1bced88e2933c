package doctor

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tierbench/tierbench/loadtest/host"
)

func TestTheLargestTier(t *testing.T) {
	var b bytes.Buffer
	Write(&b, host.Capacity{Cores: 2, NoFile: 1024, FileMax: -1, MemAvailable: -1, PortLow: 32768, PortHigh: 60999, PIDMax: 600, ThreadsMax: -1, NProc: -1, CgroupPIDs: -1, Tasks: 100})
	for _, w := range []string{"Largest tier: hundreds (100 clients). At most 768 clients, by descriptors.", "(prefork): thousands (1000 clients). At most 1459 clients", "processes as it takes, of up to 768 clients", "ends at about 500: kernel.pid_max is 600, 100 in use"} {
		if !strings.Contains(b.String(), w) {
			t.Errorf("no %q in\n%s", w, &b)
		}
	}
}
