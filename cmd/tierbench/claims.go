package main

import (
	"fmt"
	"strings"

	"github.com/tierbench/tierbench/loadtest/claims"
	"github.com/tierbench/tierbench/loadtest/result"
)

type claimsCmd struct {
	Results  string `arg:"" name:"results" help:"The folder of a run, such as results/latest." type:"existingdir"`
	JSON     bool   `name:"json" xor:"format" help:"Print the whole ledger as JSON."`
	Markdown bool   `xor:"format" help:"Print the table as Markdown."`
	Brief    bool   `xor:"format" help:"Print only the comparison table as Markdown, with a word and a number in each cell."`
	Explain  string `xor:"format" help:"Print the rule of a claim, such as T3, and the numbers and cells that its verdicts rest on." placeholder:"ID"`
}

// Help is an example for --help.
func (c *claimsCmd) Help() string {
	return "Prints a comparison table of processes, threads and asynchronous programming with a verdict for each of its claims: " +
		"supported, refuted, depends, or undecidable here, for Go and for CPython.\n\n" +
		"The verdicts come from a run of configs/claims.yaml or claims-quick.yaml (make claims).\n\n" +
		"Examples:\n\n    tierbench claims results/latest\n\n    tierbench claims results/latest --explain T3"
}

func (c *claimsCmd) Run(e *env) error {
	var id string
	if c.Explain != "" {
		claim, ok := claims.Find(strings.ToUpper(c.Explain))
		if !ok {
			var ids []string
			for _, c := range claims.All {
				ids = append(ids, c.ID)
			}
			return usageError(fmt.Errorf("--explain: there is no claim %q; allowed: %s", c.Explain, strings.Join(ids, ", ")))
		}
		id = claim.ID
	}
	set, err := result.Load(c.Results)
	if err != nil {
		return usageError(err)
	}
	l := claims.Evaluate(set)
	switch {
	case c.JSON:
		err = claims.JSON(e.out, l)
	case c.Markdown:
		err = claims.Markdown(e.out, l)
	case c.Brief:
		err = claims.Brief(e.out, l)
	case id != "":
		err = claims.Explain(e.out, l, id)
	default:
		err = claims.Text(e.out, l)
	}
	if err != nil {
		return fmt.Errorf("write claims: %w", err)
	}
	if was := set.Run.ClaimRules; was != "" && was != claims.RulesVersion {
		fmt.Fprintf(e.errOut, "the run was measured with version %s of the rules; these verdicts use version %s\n", was, claims.RulesVersion)
	}
	return nil
}
