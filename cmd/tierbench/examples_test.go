package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"

	"github.com/tierbench/tierbench/loadtest/plan"
)

// The example workflow must be valid for GitHub. Its scripts must be valid shell, and its
// commands must be those of this program.
func TestExampleWorkflow(t *testing.T) {
	const dir = "../../examples/ci"
	text, err := os.ReadFile(filepath.Join(dir, "benchmark.yml"))
	if err != nil {
		t.Fatal(err)
	}
	config, err := filepath.Abs(filepath.Join(dir, "bench.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var workflow struct {
		Name        string            `yaml:"name"`
		On          any               `yaml:"on"`
		Permissions map[string]string `yaml:"permissions"`
		Concurrency map[string]any    `yaml:"concurrency"`
		Env         map[string]string `yaml:"env"`
		Jobs        map[string]struct {
			RunsOn   string         `yaml:"runs-on"`
			Timeout  int            `yaml:"timeout-minutes"`
			Defaults map[string]any `yaml:"defaults"`
			Steps    []struct {
				Name string         `yaml:"name"`
				If   string         `yaml:"if"`
				Uses string         `yaml:"uses"`
				With map[string]any `yaml:"with"`
				Dir  string         `yaml:"working-directory"`
				Run  string         `yaml:"run"`
			} `yaml:"steps"`
		} `yaml:"jobs"`
	}
	if err := yaml.UnmarshalWithOptions(text, &workflow, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	if workflow.On != "pull_request" || workflow.Env["MAX_REGRESSION"] == "" {
		t.Errorf("on %v, env %v", workflow.On, workflow.Env)
	}
	if _, err := regression(workflow.Env["MAX_REGRESSION"]); err != nil {
		t.Error(err)
	}

	// The folders that the commands name.
	root := t.TempDir()
	for _, d := range []string{"base", "head"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	command := regexp.MustCompile(`(?m)\btierbench ((?:run|duel) [^|>\n]*)`)
	asked := map[string]int{}
	for _, job := range workflow.Jobs {
		for _, step := range job.Steps {
			if (step.Run == "") == (step.Uses == "") {
				t.Errorf("step %q must either run or use something", step.Name)
			}
			if bash, err := exec.LookPath("bash"); err == nil && step.Run != "" {
				if out, err := exec.Command(bash, "-n", "-c", step.Run).CombinedOutput(); err != nil {
					t.Errorf("step %q: %v\n%s", step.Name, err, out)
				}
			}
			for _, m := range command.FindAllStringSubmatch(step.Run, -1) {
				t.Chdir(filepath.Join(root, step.Dir))
				line := strings.ReplaceAll(m[1], `"$MAX_REGRESSION"`, workflow.Env["MAX_REGRESSION"])
				var c cli
				parser, err := kong.New(&c, kong.Vars(compareVars()))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := parser.Parse(words(line)); err != nil {
					t.Errorf("step %q: %s: %v", step.Name, line, err)
				}
				asked[strings.Fields(line)[0]]++
			}
		}
	}
	if asked["run"] != 1 || asked["duel"] != 1 {
		t.Errorf("commands %v", asked)
	}

	cfg, err := plan.Read(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plan.Make(cfg, nil, plan.Limit{Clients: 1e6}); err != nil || len(cfg.SLOs) == 0 {
		t.Errorf("%d objectives, err %v", len(cfg.SLOs), err)
	}
}
