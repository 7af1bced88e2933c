package site

import (
	"errors"
	"html/template"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tierbench/tierbench/loadtest/gate"
	"github.com/tierbench/tierbench/loadtest/report"
	"github.com/tierbench/tierbench/loadtest/report/reporttest"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats/statstest"
)

// recorded is a made-up run in a folder of its own.
func recorded(t *testing.T, id string, change func(*result.Set)) *result.Set {
	t.Helper()
	set := statstest.Run([]int{10, 100, 1000}, 2)
	set.Run.ID = id
	if change != nil {
		change(set)
	}
	set.Dir = filepath.Join(t.TempDir(), "run")
	statstest.Record(t, set.Dir, set)
	return set
}

func build(t *testing.T, s *Site) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "site")
	if err := s.Build(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSite(t *testing.T) {
	older := recorded(t, "20260301T120000Z-older", func(s *result.Set) { s.Run.Title = "The older run" })
	newer := recorded(t, "20260302T120000Z-newer", func(s *result.Set) {
		s.Run.Title = "The <i>newer</i> run"
		s.Run.Started = s.Run.Started.AddDate(0, 0, 1)
		s.Run.Models[0].Doc = "As it is described today."
		s.Run.Models = append(s.Run.Models, result.Info{Name: "absent", Doc: "Was not here.", Command: []string{"./absent", "{addr}"}})
	})
	// A histogram of a repeat: a link leads to it.
	statstest.AddHistogram(t, newer.Dir, &newer.Repeats[0])
	dir := build(t, &Site{Runs: []*result.Set{older, newer}})

	index := read(t, dir, IndexFile)
	first, second := strings.Index(index, "The &lt;i&gt;newer&lt;/i&gt; run"), strings.Index(index, "The older run")
	if first < 0 || second < first {
		t.Errorf("the newest run is not first: at %d and %d", first, second)
	}
	for _, want := range []string{"2 March 2026", "AMD EPYC 7B13, 2 cores", "configs/quick.yaml", "eventloop, thread, prefork", "http plaintext; echo, at 10 to 1,000 clients",
		"repeats do not", `src="runs/20260302T120000Z-newer/charts/throughput.svg"`} {
		if !strings.Contains(index, want) {
			t.Errorf("the index does not say %q", want)
		}
	}
	if strings.Contains(index, "laims") {
		t.Error("there are claims, though nobody judges them")
	}
	models := read(t, dir, ModelsFile)
	for _, want := range []string{"As it is described today.", "./absent {addr}", "No run here has measured it.", `id="model-thread"`} {
		if !strings.Contains(models, want) {
			t.Errorf("the models page does not say %q", want)
		}
	}
	method := read(t, dir, MethodFile)
	for _, c := range gate.Checks {
		if fails[c.Gate] == "" {
			t.Errorf("nothing is said of the gate %q", c.Gate)
		}
		if !strings.Contains(method, ">"+string(c.Gate)+"<") {
			t.Errorf("the gate %q is not on the page", c.Gate)
		}
	}
	if len(fails) != len(gate.Checks) {
		t.Errorf("%d gates are explained, there are %d", len(fails), len(gate.Checks))
	}
	run := read(t, dir, filepath.Join(RunsDir, newer.Run.ID, report.HTMLFile))
	for _, want := range []string{`href="../../index.html"`, `href="../../method.html"`, `href="` + result.HistogramsFile + `"`} {
		if !strings.Contains(run, want) {
			t.Errorf("the page of the run has no %s", want)
		}
	}
	for _, name := range []string{result.RunFile, result.CellsFile, result.SeriesFile, result.BenchFile, report.MarkdownFile, "charts/throughput.png", result.HistogramsFile} {
		if _, err := os.Stat(filepath.Join(dir, RunsDir, newer.Run.ID, name)); err != nil {
			t.Error(err)
		}
	}
}

// The picture of a run whose chart is divided is the first part.
func TestPictureOfPart(t *testing.T) {
	large := recorded(t, "large", func(s *result.Set) {
		for _, r := range s.Repeats {
			for _, setting := range []string{"gil 500us", "gil 5ms", "gil 20ms", "gil 50ms"} {
				r.Setting = result.ParseSetting(setting)
				s.Repeats = append(s.Repeats, r)
			}
		}
	})
	dir := build(t, &Site{Runs: []*result.Set{large}}) // follows the link to the picture
	if index := read(t, dir, IndexFile); !strings.Contains(index, `src="runs/large/charts/throughput-`) {
		t.Error("the index has no picture of the run")
	}
}

// What judges claims puts them on the index, on a page of their own, and on the
// way to all others.
func TestClaims(t *testing.T) {
	with := recorded(t, "a-with", nil)
	without := recorded(t, "b-without", func(s *result.Set) { s.Run.Started = s.Run.Started.AddDate(0, 0, 1) })
	dir := build(t, &Site{Runs: []*result.Set{with, without}, Claims: func(s *result.Set) (*Claims, error) {
		if s.Run.ID != with.Run.ID {
			return nil, nil
		}
		return &Claims{Table: template.HTML("<p>table of " + s.Run.ID + "</p>"), Body: template.HTML("<table><tr><td>T1 of " + s.Run.ID + "</td></tr></table>")}, nil
	}})
	for name, want := range map[string]string{
		IndexFile:  "<p>table of a-with</p>",
		ClaimsFile: "<td>T1 of a-with</td>",
		ModelsFile: `href="claims.html"`,
		filepath.Join(RunsDir, "b-without", report.HTMLFile): `href="../../claims.html"`,
	} {
		if !strings.Contains(read(t, dir, name), want) {
			t.Errorf("%s has no %s", name, want)
		}
	}
	if text := read(t, dir, IndexFile) + read(t, dir, ClaimsFile); strings.Contains(text, "T1 of b-without") || strings.Contains(text, "claims-b-without") {
		t.Error("there are claims of a run that says nothing of them")
	}
}

func TestBuildReplacesOnlySites(t *testing.T) {
	s := &Site{Runs: []*result.Set{recorded(t, "a", nil)}}
	home := t.TempDir()
	precious := filepath.Join(home, "thesis.txt")
	if err := os.WriteFile(precious, []byte("years of work"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.Build(home); !errors.Is(err, ErrNotASite) {
		t.Errorf("building over other files: %v", err)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Fatal(err)
	}
	if err := s.Build(precious); !errors.Is(err, ErrNotASite) {
		t.Errorf("building over a file: %v", err)
	}
	dir := filepath.Join(home, "site")
	other := filepath.Join(dir+".new", "thesis.txt")
	if err := errors.Join(os.Mkdir(dir+".new", 0o755), os.WriteFile(other, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	if err := s.Build(dir); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{precious, other} {
		if _, err := os.Stat(file); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("%v, err %v: a web server must be able to read it", info, err)
	}
	if left, err := filepath.Glob(filepath.Join(home, ".tierbench*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, err %v", left, err)
	}
	// A second site takes the place of the first, whole.
	stale := filepath.Join(dir, "stale.html")
	if err := os.WriteFile(stale, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.Build(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stale); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was in the old site is in the new one: %v", err)
	}
	// One that cannot be built leaves it.
	bad := &Site{Runs: []*result.Set{recorded(t, "a", nil), recorded(t, "a", nil)}}
	if err := bad.Build(dir); !errors.Is(err, ErrID) {
		t.Errorf("two runs of one name: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, IndexFile)); err != nil {
		t.Error(err)
	}
	up := &Site{Runs: []*result.Set{recorded(t, "../../up", nil)}}
	if err := up.Build(filepath.Join(home, "other")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(home, "other", RunsDir, "up", report.HTMLFile)); err != nil {
		t.Errorf("a run's ID leads out of the site: %v", err)
	}
}

func TestDeadLinks(t *testing.T) {
	for _, tt := range []struct {
		why, link, dead string
	}{
		{"a page", `<a href="sub/other.html">`, ""},
		{"a place in it", `<a href="sub/other.html#there">`, ""},
		{"a place in this one", `<a href="#here">`, ""},
		{"a picture", `<img src="pic.svg">`, ""},
		{"one within the page", `<img src="data:image/png;base64,AA">`, ""},
		{"a name that needs an escape", `<a href="a%20b.txt">`, ""},
		{"no such page", `<a href="none.html">`, "the file does not exist"},
		{"no such place", `<a href="sub/other.html#here">`, "the page does not have this anchor"},
		{"no such place in this one", `<a href="#nowhere">`, "the page does not have this anchor"},
		{"a place in what has none", `<a href="pic.svg#here">`, "the page does not have this anchor"},
		{"no such picture", `<img src="none.svg">`, "the file does not exist"},
		{"the network", `<a href="https://example.org/">`, "is not relative"},
		{"the network, as it is now", `<script src="//example.org/x.js"></script>`, "is not relative"},
		{"from the root", `<a href="/sub/other.html">`, "is not relative"},
		{"out of the site", `<a href="../index.html">`, "leads out of the site"},
		{"a folder", `<a href="sub/">`, "is a folder"},
		{"nothing", `<a href="">`, "is empty"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
				t.Fatal(err)
			}
			for name, text := range map[string]string{
				"index.html": `<p id="here">` + tt.link, "sub/other.html": `<p id="there">`, "pic.svg": "<svg/>", "a b.txt": "",
			} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			dead, err := DeadLinks(dir)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case tt.dead == "" && len(dead) > 0:
				t.Errorf("dead: %q", dead)
			case tt.dead != "" && (len(dead) != 1 || !strings.HasPrefix(dead[0], "index.html: ") || !strings.Contains(dead[0], tt.dead)):
				t.Errorf("dead: %q, want %q", dead, tt.dead)
			}
		})
	}
}

// published are the runs in this repository.
func published(t *testing.T) []*result.Set {
	t.Helper()
	files, err := filepath.Glob("../../results/*/" + result.RunFile)
	if err != nil || len(files) == 0 {
		t.Fatalf("no published runs: %v", err)
	}
	var out []*result.Set
	for _, f := range files {
		if info, err := os.Lstat(filepath.Dir(f)); err != nil || !info.IsDir() {
			continue // the link to the latest
		}
		set, err := result.Load(filepath.Dir(f))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, set)
	}
	return out
}

// Build itself follows every link of the published runs, old records among them.
// One of more cells than this takes minutes to draw under the race detector; make
// site draws all.
func TestPublished(t *testing.T) {
	const mostCells = 50
	runs := slices.DeleteFunc(published(t), func(s *result.Set) bool { return len(s.Run.Cells) > mostCells })
	if len(runs) < 3 {
		t.Fatalf("%d published runs", len(runs))
	}
	dir := build(t, &Site{Runs: runs})
	for _, set := range runs {
		if _, err := os.Stat(filepath.Join(dir, RunsDir, set.Run.ID, report.HTMLFile)); err != nil {
			t.Error(err)
		}
	}
}

// seen is what a reader's browser made of a page.
const seen = `
const errors = [];
addEventListener("error", e => errors.push(e.target === window ? String(e.message) : "not loaded: " + (e.target.src || e.target.href)), true);
addEventListener("securitypolicyviolation", e => errors.push("forbidden: " + e.violatedDirective + " " + e.blockedURI));
for (const k of ["error", "warn"]) console[k] = (...a) => errors.push(k + ": " + a.join(" "));
addEventListener("load", async () => {
	for (const img of document.images) img.loading = "eager";
	await Promise.all([...document.images].map(i => i.decode().catch(() => errors.push("not drawn: " + i.src.slice(0, 80)))));
	const saw = {charts: document.querySelectorAll(".panel canvas").length, pictures: document.images.length,
		wide: document.documentElement.scrollWidth > innerWidth, errors};
	const toggle = document.querySelector(".toggles button[data-model]");
	if (toggle) {
		toggle.click();
		saw.off = document.querySelectorAll(".u-legend tr.u-off").length;
		document.querySelector(".toggles button[data-all]").click();
		saw.on = document.querySelectorAll(".u-legend tr.u-off").length === 0;
	}
	setTimeout(() => document.body.append(Object.assign(document.createElement("pre"), {id: "saw", textContent: JSON.stringify(saw)})), 100);
});`

func TestPagesInABrowser(t *testing.T) {
	newest := recorded(t, "newest", func(s *result.Set) { statstest.AddSeconds(s) })
	// One published run stands for all: a browser takes its time to start.
	dir := build(t, &Site{Runs: []*result.Set{published(t)[0], newest}, Claims: func(s *result.Set) (*Claims, error) {
		if s.Run.ID != "newest" {
			return nil, nil
		}
		return &Claims{Table: "<p>judged</p>", Body: "<p>judged, and why</p>"}, nil
	}})
	pages, err := filepath.Glob(filepath.Join(dir, "*.html"))
	if err != nil {
		t.Fatal(err)
	}
	runs, err := filepath.Glob(filepath.Join(dir, RunsDir, "*", report.HTMLFile))
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) != 4 || len(runs) < 2 {
		t.Fatalf("pages %v and runs %v", pages, runs)
	}
	for _, page := range append(pages, runs...) {
		name, err := filepath.Rel(dir, page)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.ToSlash(name), func(t *testing.T) {
			isRun := filepath.Base(page) == report.HTMLFile
			if !isRun {
				// These pages have no script of their own, and forbid any.
				text := read(t, dir, name)
				allowed := strings.Replace(text, "default-src 'none';", "default-src 'none'; script-src 'unsafe-inline';", 1)
				if allowed == text {
					t.Fatal("the page does not forbid scripts")
				}
				if err := os.WriteFile(page, []byte(allowed), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			var saw struct {
				Charts, Pictures, Off int
				On, Wide              bool
				Errors                []string
			}
			reporttest.Try(t, page, seen, &saw)
			if len(saw.Errors) > 0 {
				t.Errorf("errors: %q", saw.Errors)
			}
			if saw.Wide {
				t.Error("it is wider than the window")
			}
			if isRun && (saw.Charts == 0 || saw.Off == 0 || !saw.On) {
				t.Errorf("%d charts; a model hidden hides %d lines, and all come back: %v", saw.Charts, saw.Off, saw.On)
			}
			if name == IndexFile && saw.Pictures < len(runs) {
				t.Errorf("%d pictures for %d runs", saw.Pictures, len(runs))
			}
		})
	}
}
