package main

import (
	"github.com/tierbench/tierbench/loadtest/attack"
	"github.com/tierbench/tierbench/loadtest/host"
)

// nullCmd runs the server on which a generator's ceiling is measured.
type nullCmd struct {
	Protocol string `enum:"http,echo" default:"http"`
	Addr     string `default:"127.0.0.1:0"`
	Loops    int    `default:"1"`
}

func (c *nullCmd) Run(e *env) error {
	if _, err := host.RaiseNoFile(); err != nil {
		return err
	}
	return attack.ServeNull(e.ctx, c.Protocol, c.Addr, c.Loops)
}
