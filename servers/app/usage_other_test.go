//go:build unix && !linux

package app

import (
	"testing"
	"time"
)

func threadUsage(*testing.T) time.Duration { return threadTime() }
