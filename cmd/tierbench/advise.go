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

// latestRun is a link to the newest run.
const latestRun = "results/latest"

type adviseCmd struct {
	Run_ string `arg:"" optional:"" name:"results" help:"The folder of the run whose measured costs are used. Default: results/latest."`

	Clients int     `help:"The number of connected clients." placeholder:"N"`
	Rate    float64 `help:"The total number of requests a second." placeholder:"RPS"`
	WaitMS  float64 `name:"wait-ms" help:"How long a request waits for something other than the CPU, in milliseconds." placeholder:"MS"`
	Memory  string  `help:"The memory that the server may use, such as 2GiB." placeholder:"SIZE"`
	Cores   float64 `help:"The number of cores of the server. Default: as many as in the run." placeholder:"N"`

	Protocol string `help:"Use the costs of this protocol." placeholder:"http"`
	Workload string `help:"Use the costs of this workload." placeholder:"plaintext"`

	Check bool `help:"Check the method instead: leave out each number of clients in turn, predict it from the others, and print the errors."`
}

// Help is an example for --help.
func (c *adviseCmd) Help() string {
	return "Multiplies measured costs: CPU time per request, bytes per client, requests in flight at a time. " +
		fmt.Sprintf("A model carries a load if it needs at most %.0f %% of the CPU and the memory.\n\n", 100*advise.Use) +
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
		return usageError(fmt.Errorf("%s: there is no run; name the folder of a run, such as results/RUN", c.Run_))
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
			return usageError(fmt.Errorf("--memory: %q is not a size; allowed: a number with a unit, such as 512MiB or 2GiB", c.Memory))
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
	fmt.Fprintf(e.out, "\nPredicted from %s. To check how accurate the predictions are: tierbench advise --check %s\n", set.Run.ID, harness.Relative(c.Run_))
	return nil
}

func (c *adviseCmd) check(e *env, set *result.Set) error {
	all := advise.Check(set)
	if len(all) == 0 {
		return usageError(fmt.Errorf("%s has no workload that was measured at three or more numbers of clients, so none can be left out", set.Run.ID))
	}
	return advise.WriteCheck(e.out, all)
}
