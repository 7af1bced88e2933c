//go:build !linux

package host

// Affinity returns the set of CPUs that the calling thread may run on.
func Affinity() (CPUSet, error) { return nil, ErrUnsupported }

// Bind binds the calling thread to a set of CPUs.
func Bind(CPUSet) error { return ErrUnsupported }

// BindProcess binds all threads of this process.
func BindProcess(CPUSet) error { return ErrUnsupported }
