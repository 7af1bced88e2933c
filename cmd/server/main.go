// Command server runs one model in one process tree: see package servers for the contract.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/rs/zerolog"

	"github.com/tierbench/tierbench/servers"
	"github.com/tierbench/tierbench/servers/all"
	"github.com/tierbench/tierbench/servers/app"
	"github.com/tierbench/tierbench/servers/counter"
)

func main() {
	// First of all, because a worker for one connection has neither time nor memory for a command
	// line.
	if order, ok, err := servers.ReadOrder(); ok {
		signal.Ignore(os.Interrupt, syscall.SIGTERM)
		if err == nil {
			err = work(order, os.Stderr)
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "server: worker: %v\n", err)
			os.Exit(1)
		}
		return
	}
	// The signals stay caught until the process ends. If a whole process group is stopped, the
	// workers of prefork get SIGTERM twice, and the second one must not cut off their last answers.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	var usage usageError
	switch {
	case errors.As(err, &usage):
		fmt.Fprintf(os.Stderr, "server: %v\n(server --help lists the flags)\n", err)
		os.Exit(2)
	case err != nil:
		fmt.Fprintf(os.Stderr, "server: %v\n", err)
		os.Exit(1)
	}
}

// A usageError is a mistake of the user: nothing has been started.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

type flags struct {
	Model    string `placeholder:"NAME" help:"Model to serve with: ${models}."`
	Protocol string `default:"http" placeholder:"NAME" help:"Protocol to speak: http or echo. Default: ${default}."`
	Addr     string `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Address to listen on. Default: ${default}."`

	List bool `help:"List the models and stop."`
	JSON bool `name:"json" help:"With --list: as JSON."`

	Trial      string `placeholder:"NAME" help:"Run a trial, which needs no clients, print its result as JSON, and stop. list: show the trials."`
	Variant    string `placeholder:"NAME" help:"With --trial: the variant to run. Default: the first one in the list."`
	Increments int    `default:"0" placeholder:"N" help:"With --trial: how often each participant does it; 0: often enough for a measurement. Default: ${default}."`

	LogLevel string `default:"info" placeholder:"LEVEL" help:"Lowest level that is logged: debug, info, warn, error or off. Default: ${default}."`

	MaxHeader    int           `default:"16384" placeholder:"BYTES" help:"Largest header block of a request; more is answered 431. Default: ${default}."`
	MaxBody      int           `default:"4194304" placeholder:"BYTES" help:"Largest body of a request; more is answered 413. Default: ${default}."`
	IdleTimeout  time.Duration `default:"30s" placeholder:"TIME" help:"Longest silence between two requests. Default: ${default}."`
	ReadTimeout  time.Duration `default:"10s" placeholder:"TIME" help:"Longest time for one request to arrive. Default: ${default}."`
	WriteTimeout time.Duration `default:"30s" placeholder:"TIME" help:"Longest time in which a client takes nothing of its answer. Default: ${default}."`
	DrainTimeout time.Duration `default:"4s" placeholder:"TIME" help:"Longest time to finish requests in flight after SIGTERM. Default: ${default}."`
	MaxConns     int           `default:"0" placeholder:"N" help:"Most open connections in one process; 0: as many as the limits of the system allow. Default: ${default}."`
	Workers      int           `default:"0" placeholder:"N" help:"Worker processes of prefork, or threads or helper processes of a trial; 0: one per core. Default: ${default}."`

	Offload        bool `help:"Make blocking calls on a pool of threads instead of an event loop, which they would stall: ${offloaders}."`
	OffloadThreads int  `default:"64" placeholder:"N" help:"With --offload: most threads in the pool of a process. Default: ${default}."`

	Counter    string `default:"atomic" placeholder:"NAME" help:"How requests share the count of /counter: ${counters}. Default: ${default}."`
	CounterDir string `placeholder:"DIR" help:"Directory for the files of a counter that processes share. Default: where the system keeps temporary files."`

	Spawn  string        `placeholder:"WAY" help:"Worker of --model process for a connection: reuse an idle one, or a fresh one each time. Default: reuse."`
	GIL    time.Duration `name:"gil" default:"0" placeholder:"TIME" help:"Emulate an interpreter lock in each process with this switch interval, 500µs to 50ms (CPython: 5ms); 0: no lock."`
	Faults bool          `help:"Open the routes below /fault/, which harm the server: panic, recovered-panic, fatal, leak?mb=N, descriptors?ms=N."`
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var f flags
	helped := false
	parser, err := kong.New(&f,
		kong.Name("server"),
		kong.Description("Serves HTTP or raw echo with one server model until SIGTERM."),
		kong.Vars{
			"models":     strings.Join(names(anyModel), ", "),
			"counters":   strings.Join(counter.Names(), ", "),
			"offloaders": strings.Join(names(offloads), ", "),
		},
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { helped = true }),
	)
	if err != nil {
		return err
	}
	if _, err := parser.Parse(args); helped {
		return nil
	} else if err != nil {
		return usageError{err}
	}

	if f.Trial != "" {
		return try(ctx, f, args, stdout)
	}
	if f.List {
		return list(stdout, f.JSON)
	}
	if f.JSON {
		return usageError{errors.New("--json: only with --list")}
	}
	model, ok := all.Find(f.Model)
	switch {
	case f.Model == "":
		return usageError{fmt.Errorf("--model is missing: must be one of %s", strings.Join(names(anyModel), ", "))}
	case !ok:
		return usageError{fmt.Errorf("--model %s: must be one of %s", f.Model, strings.Join(names(anyModel), ", "))}
	case f.Spawn != "" && model.Name != "process":
		return usageError{fmt.Errorf("--spawn %s: only with --model process, which has a process for each connection", f.Spawn)}
	}
	offload := 0
	if f.Offload {
		if !model.Offloads {
			return usageError{fmt.Errorf("--offload: has no effect with --model %s, which has no event loop; it is for %s",
				model.Name, strings.Join(names(offloads), ", "))}
		}
		if offload = f.OffloadThreads; offload < 1 {
			return usageError{fmt.Errorf("--offload-threads %d: must be at least 1", offload)}
		}
	}
	method, err := counter.Find(f.Counter)
	if err != nil {
		return usageError{fmt.Errorf("--%w", err)}
	}
	log, err := logger(stderr, f.LogLevel)
	if err != nil {
		return usageError{err}
	}
	cfg := servers.Config{
		Protocol:     f.Protocol,
		Addr:         f.Addr,
		Limits:       servers.Limits{HeaderBytes: f.MaxHeader, BodyBytes: f.MaxBody},
		IdleTimeout:  f.IdleTimeout,
		ReadTimeout:  f.ReadTimeout,
		WriteTimeout: f.WriteTimeout,
		DrainTimeout: f.DrainTimeout,
		MaxConns:     f.MaxConns,
		Workers:      f.Workers,
		Offload:      offload,
		Spawn:        f.Spawn,
		GIL:          f.GIL,
		Faults:       f.Faults,
		Log:          log.With().Str("model", model.Name).Int("pid", os.Getpid()).Logger(),
	}
	if err := cfg.Check(); err != nil {
		return usageError{flagErrors(err)}
	}
	if cfg.Protocol == servers.HTTP {
		app.Calibrate() // now, so that the first request that computes need not do it
		shared, release, err := method.Open(f.CounterDir)
		if err != nil {
			return err
		}
		defer release()
		cfg.Counter, cfg.CounterName = shared, method.Name
	}
	return model.Serve(ctx, cfg)
}

// flagErrors names the fields of the errors like flags.
func flagErrors(err error) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return err
	}
	var errs []error
	for _, err := range joined.Unwrap() {
		var field *servers.FieldError
		if errors.As(err, &field) {
			err = errors.New("--" + field.Error())
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func anyModel(servers.Model) bool { return true }

func offloads(m servers.Model) bool { return m.Offloads }

// names returns the names of the models for which which returns true.
func names(which func(servers.Model) bool) []string {
	var names []string
	for _, m := range all.Models {
		if which(m) {
			names = append(names, m.Name)
		}
	}
	return names
}

func list(w io.Writer, asJSON bool) error {
	if asJSON {
		type model struct {
			Name       string `json:"name"`
			Doc        string `json:"doc"`
			ClosesEach bool   `json:"closes_each,omitempty"`
			Processes  int    `json:"processes,omitempty"`
		}
		var models []model
		for _, m := range all.Models {
			models = append(models, model{m.Name, m.Doc, m.ClosesEach, m.Processes})
		}
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(models)
	}
	width := 0
	for _, m := range all.Models {
		width = max(width, len(m.Name))
	}
	for _, m := range all.Models {
		if _, err := fmt.Fprintf(w, "%-*s %s\n", width, m.Name, m.Doc); err != nil {
			return err
		}
	}
	return nil
}

// logger writes JSON, one object a line. To a terminal it writes lines for people.
func logger(w io.Writer, level string) (zerolog.Logger, error) {
	levels := map[string]zerolog.Level{
		"debug": zerolog.DebugLevel,
		"info":  zerolog.InfoLevel,
		"warn":  zerolog.WarnLevel,
		"error": zerolog.ErrorLevel,
		"off":   zerolog.Disabled,
	}
	l, ok := levels[level]
	if !ok {
		return zerolog.Logger{}, fmt.Errorf("--log-level %s: must be debug, info, warn, error or off", level)
	}
	if file, ok := w.(*os.File); ok {
		if st, err := file.Stat(); err == nil && st.Mode()&os.ModeCharDevice != 0 {
			w = zerolog.ConsoleWriter{Out: w, TimeFormat: "15:04:05.000"}
		}
	}
	return zerolog.New(w).Level(l).With().Timestamp().Logger(), nil
}
