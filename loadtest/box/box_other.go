//go:build !linux

package box

import (
	"errors"
	"os/exec"
	"runtime"

	"github.com/tierbench/tierbench/loadtest/result"
)

var errUnsupported = errors.New("a box needs Linux's control groups; this is " + runtime.GOOS)

// A Place is where boxes are made.
type Place struct{}

// Open returns an error on this system.
func Open() (*Place, error) { return nil, errUnsupported }

// Create returns an error on this system.
func (p *Place) Create(result.Limits) (*Box, error) { return nil, errUnsupported }

// Close does nothing.
func (p *Place) Close() error { return nil }

// A Box limits the processes that are started in it.
type Box struct{}

// By returns "".
func (b *Box) By() string { return "" }

// Start returns an error on this system.
func (b *Box) Start(*exec.Cmd) error { return errUnsupported }

// Read returns an error on this system.
func (b *Box) Read() (Reading, error) { return Reading{}, errUnsupported }

// OOMKills returns an error on this system.
func (b *Box) OOMKills() (int64, error) { return 0, errUnsupported }

// Remove does nothing.
func (b *Box) Remove() error { return nil }
