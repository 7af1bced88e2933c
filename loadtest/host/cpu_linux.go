package host

import (
	"slices"
	"strings"

	"github.com/prometheus/procfs"
)

// cpuModel reads the name of the first CPU, and "virtual machine" if a hypervisor
// runs it.
func cpuModel(root string) (name, virtual string) {
	pfs, err := procfs.NewFS(root)
	if err != nil {
		return "", ""
	}
	cpus, err := pfs.CPUInfo()
	if err != nil || len(cpus) == 0 {
		return "", ""
	}
	if slices.Contains(cpus[0].Flags, "hypervisor") {
		virtual = "virtual machine"
	}
	return strings.TrimSpace(cpus[0].ModelName), virtual
}
