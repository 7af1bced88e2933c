package attack

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// Resolve finds the address of a target. It refuses that of another host with
// ErrRemote, unless allowRemote is set.
func Resolve(addr string, allowRemote bool) (netip.AddrPort, error) {
	a, err := resolve(addr)
	if err == nil && !allowRemote && !local(a.Addr()) {
		return netip.AddrPort{}, fmt.Errorf("%w: %s", ErrRemote, addr)
	}
	return a, err
}

func resolve(addr string) (netip.AddrPort, error) {
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if a.IP == nil {
		return netip.AddrPort{}, fmt.Errorf("address %s names no host", addr)
	}
	p := a.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port()), nil
}

// ErrRemote refuses a target that is not this host.
var ErrRemote = errors.New("the target is not this host, and loading another was not allowed")

// local reports whether an address is one of this host's.
func local(a netip.Addr) bool {
	if a.IsLoopback() || a.IsUnspecified() {
		return true
	}
	own, err := net.InterfaceAddrs()
	return err == nil && slices.ContainsFunc(own, func(o net.Addr) bool {
		p, err := netip.ParsePrefix(o.String())
		return err == nil && p.Addr().Unmap() == a
	})
}
