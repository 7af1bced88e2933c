package main

import (
	"github.com/tierbench/tierbench/loadtest/build"
	"github.com/tierbench/tierbench/loadtest/fleet"
	"github.com/tierbench/tierbench/loadtest/harness"
)

// generatorCmd runs a generator process. Its coordinator starts it and passes the flags in
// its environment.
type generatorCmd struct {
	NATS   string `name:"nats" required:"" help:"The NATS server to communicate through." env:"TIERBENCH_NATS" placeholder:"URL"`
	Token  string `help:"Token for the NATS server." env:"TIERBENCH_NATS_TOKEN" placeholder:"TOKEN"`
	Creds  string `help:"File with the user credentials for the NATS server." env:"TIERBENCH_NATS_CREDS" placeholder:"FILE"`
	CA     string `name:"tls-ca" help:"File with the certificate of the authority that signed the certificate of the NATS server." env:"TIERBENCH_NATS_CA" placeholder:"FILE"`
	Job    string `required:"" help:"Id of the coordinator's job." env:"TIERBENCH_JOB" placeholder:"ID"`
	Number int    `required:"" help:"Number of this process in the job, from 1." env:"TIERBENCH_GENERATOR" placeholder:"N"`
}

// Help is an example for --help.
func (c *generatorCmd) Help() string {
	return "tierbench run starts its generator processes itself, and passes these flags in their environment.\n\n" +
		"Examples:\n\n    tierbench generator --nats nats://127.0.0.1:4222 --job ID --number 1"
}

func (c *generatorCmd) Run(e *env) error {
	return harness.ServeGenerator(e.ctx, fleet.Link{URL: c.NATS, Token: c.Token, Creds: c.Creds, CA: c.CA},
		fleet.ServeOptions{Job: c.Job, Number: c.Number, Version: build.Version()})
}
