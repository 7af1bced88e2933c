//go:build !linux

package host

func cpuModel(string) (name, virtual string) { return "", "" }
