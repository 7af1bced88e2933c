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

// work serves in a worker process that its master has started with an order instead of a command
// line. The master handles signals.
func work(o servers.Order, stderr io.Writer) error {
	model, ok := all.Find(o.Model)
	if !ok {
		return fmt.Errorf("the order has the unknown model %s", o.Model)
	}
	level, err := zerolog.ParseLevel(o.LogLevel)
	if err != nil {
		return fmt.Errorf("the log level of the order: %w", err)
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
