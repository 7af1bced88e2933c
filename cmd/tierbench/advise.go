package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/tierbench/tierbench/loadtest/advise"
	"github.com/tierbench/tierbench/loadtest/harness"
	"github.com/tierbench/tierbench/loadtest/quantity"
	"github.com/tierbench/tierbench/loadtest/result"
)

// latestRun is where the newest run is found.
const latestRun = "results/latest"

type adviseCmd struct {
	Run_ string `arg:"" optional:"" name:"results" help:"The folder of the run whose costs are taken. Default: results/latest."`

	Clients int     `help:"How many clients are to be connected." placeholder:"N"`
	Rate    float64 `help:"How many requests a second they make in all." placeholder:"RPS"`
	WaitMS  float64 `name:"wait-ms" help:"How long a request waits for something else, in milliseconds." placeholder:"MS"`
	Memory  string  `help:"What the server may use, such as 2GiB." placeholder:"SIZE"`
	Cores   float64 `help:"How many cores the server has. By default as many as it used in the run." placeholder:"N"`

	Protocol string `help:"Take the costs of this protocol." placeholder:"http"`
	Workload string `help:"Take the costs of this workload." placeholder:"plaintext"`

	Check bool `help:"Instead, leave out one number of clients after the other, predict it from the others, and print how far off that is."`
}

// Help is an example for --help.
func (c *adviseCmd) Help() string {
	return "Multiplies what was measured: CPU time per request, bytes per client, requests under way at a time. " +
		fmt.Sprintf("A model carries a load if that takes up to %.0f %% of what there is.\n\n", 100*advise.Use) +
		"Examples:\n\n" +
		"    tierbench advise --clients 5000 --rate 20000 --wait-ms 20 --memory 2GiB results/latest\n\n" +
		"    tierbench advise --check results/latest"
}

func (c *adviseCmd) Run(e *env) error {
	if c.Run_ == "" {
		c.Run_ = latestRun
	}
	set, err := result.Load(c.Run_)
	if errors.Is(err, fs.ErrNotExist) {
		return usageError(fmt.Errorf("%s: no run is there; name the folder of one, such as results/RUN", c.Run_))
	}
	if err != nil {
		return usageError(err)
	}
	if c.Check {
		return c.check(e, set)
	}
	need := advise.Need{
		Clients: c.Clients, RateRPS: c.Rate, WaitSec: c.WaitMS / 1000, Cores: c.Cores,
		Protocol: c.Protocol, Workload: c.Workload,
	}
	if c.Memory != "" {
		bytes, ok := quantity.Bytes(c.Memory)
		if !ok || bytes == 0 {
			return usageError(fmt.Errorf("--memory: %q is no size; allowed: such as 512MiB or 2GiB", c.Memory))
		}
		need.MemoryBytes = bytes
	}
	if c.Clients == 0 || c.Rate == 0 {
		return usageError(errors.New("name the load: --clients and --rate; or use --check"))
	}
	advice, err := advise.Advise(set, need)
	if err != nil {
		return usageError(err)
	}
	if err := advise.Write(e.out, advice); err != nil {
		return err
	}
	fmt.Fprintf(e.out, "\nfrom %s; how far off such predictions are: tierbench advise --check %s\n", set.Run.ID, harness.Relative(c.Run_))
	return nil
}

func (c *adviseCmd) check(e *env, set *result.Set) error {
	all := advise.Check(set)
	if len(all) == 0 {
		return usageError(fmt.Errorf("%s has no workload with three numbers of clients, so none can be left out", set.Run.ID))
	}
	return advise.WriteCheck(e.out, all)
}
