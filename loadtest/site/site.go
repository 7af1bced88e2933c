// Package site makes a static site from runs: an index, the report of each run with its
// records, the models, the method, and the verdicts on the claims. Its links are relative,
// so it works from a file, and below any address of any static host.
package site

import (
	"bytes"
	"cmp"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tierbench/tierbench/loadtest/chart"
	"github.com/tierbench/tierbench/loadtest/report"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
	"github.com/tierbench/tierbench/loadtest/table"
)

// Files of a site. Each run has a folder of its own below RunsDir, with its
// report and its records.
const (
	IndexFile  = "index.html"
	ModelsFile = "models.html"
	MethodFile = "method.html"
	ClaimsFile = "claims.html"
	RunsDir    = "runs"
	// marker is in every site, so that nothing else is ever replaced by one.
	marker = ".tierbench-site"
)

// A Site is what is built.
type Site struct {
	Runs []*result.Set
	// Claims returns a run's verdicts on the claims, or nil if it decides too few. It may be
	// nil; then the site has no claims.
	Claims func(*result.Set) (*Claims, error)
}

// Claims are a run's verdicts on the claims, as parts of pages: the table, whose links lead
// to ClaimsFile, and the whole ledger.
type Claims struct{ Table, Body template.HTML }

//go:embed page
var pageFiles embed.FS

var pages = template.Must(template.ParseFS(pageFiles, "page/*.html"))

// Mistakes of the caller.
var (
	// ErrNotASite is returned for a place that contains something else.
	ErrNotASite = errors.New("it is not a folder, or contains something other than a site of tierbench; name a folder that is empty or does not exist")
	// ErrID is returned for two runs with the same ID, or for a run without one.
	ErrID = errors.New("the ID must be unique")
)

// Build makes the site in dir, and replaces an existing site. It builds in a temporary
// folder next to dir first, so that a failure leaves the old site. It checks all links.
func (s *Site) Build(dir string) error {
	switch there, err := os.ReadDir(dir); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("%s: %w (%w)", dir, ErrNotASite, err)
	case len(there) > 0:
		if _, err := os.Stat(filepath.Join(dir, marker)); err != nil {
			return fmt.Errorf("%s: %w", dir, ErrNotASite)
		}
	}
	parent := filepath.Dir(filepath.Clean(dir))
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return fmt.Errorf("build site: %w", err)
	}
	fresh, err := os.MkdirTemp(parent, ".tierbench-site-")
	if err != nil {
		return fmt.Errorf("build site: %w", err)
	}
	defer os.RemoveAll(fresh)
	if err := errors.Join(os.Chmod(fresh, 0o755), s.write(fresh)); err != nil {
		return fmt.Errorf("build site: %w", err)
	}
	dead, err := DeadLinks(fresh)
	if err != nil {
		return fmt.Errorf("build site: %w", err)
	}
	if len(dead) > 0 {
		return fmt.Errorf("build site: %d links lead nowhere, for example %s", len(dead), dead[0])
	}
	if err := errors.Join(os.RemoveAll(dir), os.Rename(fresh, dir)); err != nil {
		return fmt.Errorf("build site: %w", err)
	}
	return nil
}

// A view is what the templates show.
type view struct {
	CSS    template.CSS
	Nav    []report.Link
	Here   string // the page's file
	Title  string
	Runs   []runView
	Models []modelView
	Claims []claimView // the newest first
	Gates  *table.Table
}

type runView struct {
	ID, Title, Date, Host, Config   string
	Verdict, Headline, Tiers, Asked string
	Report, Picture                 string // their paths; Picture may be empty
	Models                          []string
	Claims                          bool
}

type modelView struct {
	Name, Doc, Command string
	Light, Dark        string
	Runs               []runView
}

type claimView struct {
	Run runView
	Claims
}

func (s *Site) write(dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, RunsDir), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, marker), nil, 0o644); err != nil {
		return err
	}
	runs := slices.Clone(s.Runs)
	slices.SortStableFunc(runs, func(a, b *result.Set) int {
		return cmp.Or(b.Run.Started.Compare(a.Run.Started), cmp.Compare(b.Run.ID, a.Run.ID))
	})
	v := view{CSS: report.Style(), Gates: gates()}
	folders := map[string]bool{}
	for _, set := range runs {
		name := folder(set)
		if name == "/" || name == "." || folders[name] {
			return fmt.Errorf("the run in %s has the ID %q; %w", set.Dir, set.Run.ID, ErrID)
		}
		folders[name] = true
		if s.Claims != nil {
			c, err := s.Claims(set)
			if err != nil {
				return fmt.Errorf("run %s: %w", set.Run.ID, err)
			}
			if c != nil {
				v.Claims = append(v.Claims, claimView{Claims: *c, Run: runView{ID: name}})
			}
		}
	}
	v.Nav = []report.Link{{Name: "Runs", Href: IndexFile}}
	if len(v.Claims) > 0 {
		v.Nav = append(v.Nav, report.Link{Name: "Claims", Href: ClaimsFile})
	}
	v.Nav = append(v.Nav, report.Link{Name: "Models", Href: ModelsFile}, report.Link{Name: "Method", Href: MethodFile})

	for _, set := range runs {
		r, err := s.run(dir, set, v.Nav)
		if err != nil {
			return fmt.Errorf("run %s: %w", set.Run.ID, err)
		}
		for i := range v.Claims {
			if v.Claims[i].Run.ID == r.ID {
				r.Claims = true
				v.Claims[i].Run = r
			}
		}
		v.Runs = append(v.Runs, r)
		v.model(set, r)
	}
	styles := chart.Styles(names(v.Models))
	for i := range v.Models {
		m := &v.Models[i]
		m.Light, m.Dark = styles[m.Name].Light, styles[m.Name].Dark
	}
	files := []struct{ name, title string }{{IndexFile, "Runs"}, {ModelsFile, "Models"}, {MethodFile, "How it is measured"}}
	if len(v.Claims) > 0 {
		files = append(files, struct{ name, title string }{ClaimsFile, "Claims"})
	}
	for _, f := range files {
		v.Here, v.Title = f.name, f.title
		var b bytes.Buffer
		if err := pages.ExecuteTemplate(&b, f.name, v); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, f.name), b.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func names(models []modelView) []string {
	var out []string
	for _, m := range models {
		out = append(out, m.Name)
	}
	return out
}

// folder returns the name of a run's folder: its ID. A person may have written that, so
// folder makes sure that it is a single name.
func folder(set *result.Set) string { return filepath.Base(filepath.Clean("/" + set.Run.ID)) }

// run copies the records of a run and writes its report again, next to them: an older
// report would have other links.
func (s *Site) run(dir string, set *result.Set, nav []report.Link) (runView, error) {
	id := folder(set)
	to := filepath.Join(dir, RunsDir, id)
	if err := os.MkdirAll(to, 0o755); err != nil {
		return runView{}, err
	}
	for _, name := range result.Records {
		if err := copyAll(filepath.Join(set.Dir, name), filepath.Join(to, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return runView{}, err
		}
	}
	// An old run has no series, but its page links to one.
	if f, err := os.OpenFile(filepath.Join(to, result.SeriesFile), os.O_CREATE, 0o644); err != nil {
		return runView{}, err
	} else if err := f.Close(); err != nil {
		return runView{}, err
	}
	here := *set
	here.Dir = to
	var up []report.Link
	for _, l := range nav {
		up = append(up, report.Link{Name: l.Name, Href: "../../" + l.Href})
	}
	if err := report.WriteWithin(to, &here, up); err != nil {
		return runView{}, err
	}
	r := runView{
		ID: id, Title: cmp.Or(set.Run.Title, set.Run.Name, id), Config: set.Run.ConfigFile, Host: report.HostLine(&set.Run),
		Report: path.Join(RunsDir, id, report.HTMLFile),
	}
	if !set.Run.Started.IsZero() {
		r.Date = set.Run.Started.UTC().Format("2 January 2006")
	}
	r.Headline, r.Verdict = report.Summary(&here)
	cells := stats.Cells(&set.Run, set.Repeats)
	r.Models = stats.Models(&set.Run, cells)
	var asked []*stats.Cell // one of each question
	lo, hi := 0, 0
	for _, c := range cells {
		if !slices.ContainsFunc(asked, func(a *stats.Cell) bool { return a.Question() == c.Question() }) {
			asked = append(asked, c)
		}
		if lo == 0 || c.Clients < lo {
			lo = c.Clients
		}
		hi = max(hi, c.Clients)
	}
	r.Asked = fewOf(asked, 4)
	r.Tiers = stats.Group(lo)
	if hi > lo {
		r.Tiers += " to " + stats.Group(hi)
	}
	// The picture of the run is its first chart, or the first part of it.
	src := &chart.Source{Run: &set.Run, Cells: cells, Seconds: set.Seconds}
	for _, c := range chart.All {
		if figures := c.Figures(src); len(figures) > 0 {
			r.Picture = path.Join(RunsDir, id, result.ChartsDir, figures[0].Name()+".svg")
			break
		}
	}
	return r, nil
}

// fewOf names the first n, and says how many more there are.
func fewOf(asked []*stats.Cell, n int) string {
	var out []string
	for i, c := range asked {
		if i == n && len(asked) > n+1 {
			out = append(out, fmt.Sprintf("and %d more", len(asked)-n))
			break
		}
		out = append(out, c.Asked())
	}
	return strings.Join(out, "; ")
}

// model adds the models of a run, as the newest run describes them.
func (v *view) model(set *result.Set, r runView) {
	for _, info := range set.Run.Models {
		i := slices.IndexFunc(v.Models, func(m modelView) bool { return m.Name == info.Name })
		if i < 0 {
			i = len(v.Models)
			v.Models = append(v.Models, modelView{Name: info.Name, Doc: info.Doc, Command: strings.Join(info.Command, " ")})
		}
		if slices.Contains(r.Models, info.Name) {
			v.Models[i].Runs = append(v.Models[i].Runs, r)
		}
	}
}

// copyAll copies a file, or a folder of files.
func copyAll(from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return copyFile(from, to)
	}
	return os.CopyFS(to, os.DirFS(from))
}

func copyFile(from, to string) (err error) {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	_, err = io.Copy(dst, src)
	return err
}
