package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/rs/zerolog"

	"github.com/tierbench/tierbench/servers"
	"github.com/tierbench/tierbench/servers/all"
	"github.com/tierbench/tierbench/servers/counter"
)

// work is what a worker process does that was started by an order of its master, and not by a command line. Signals are its
// master's affair.
func work(o servers.Order, stderr io.Writer) error {
	model, ok := all.Find(o.Model)
	if !ok {
		return fmt.Errorf("ordered to be %s, which is no model", o.Model)
	}
	level, err := zerolog.ParseLevel(o.LogLevel)
	if err != nil {
		return fmt.Errorf("ordered to log: %w", err)
	}
	cfg := o.Config
	cfg.Log = zerolog.New(stderr).Level(level).With().Timestamp().Str("model", model.Name).Int("pid", os.Getpid()).Logger()
	if cfg.CounterName != "" {
		method, err := counter.Find(cfg.CounterName)
		if err != nil {
			return err
		}
		shared, release, err := method.Open("")
		if err != nil {
			return err
		}
		defer release()
		cfg.Counter = shared
	}
	return model.Serve(context.Background(), cfg)
}
