package site

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// DeadLinks follows every link, picture and anchor of the HTML files below dir, and lists
// those that lead nowhere, with their page. It also lists links that are not relative: they
// would not work from a file, or not without a network.
func DeadLinks(dir string) ([]string, error) {
	pages := map[string]*page{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".html" {
			return err
		}
		p, err := readPage(name)
		pages[name] = p
		return err
	})
	if err != nil {
		return nil, err
	}
	var dead []string
	for name, p := range pages {
		at, err := filepath.Rel(dir, name)
		if err != nil {
			return nil, err
		}
		for _, link := range p.links {
			if why := follow(dir, name, link, pages); why != "" {
				dead = append(dead, fmt.Sprintf("%s: %s: %s", at, link, why))
			}
		}
	}
	slices.Sort(dead)
	return dead, nil
}

// A page is the anchors and links of an HTML file.
type page struct {
	ids   map[string]bool
	links []string
}

func readPage(name string) (*page, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	root, err := html.Parse(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p := &page{ids: map[string]bool{}}
	for n := range root.Descendants() {
		for _, a := range n.Attr {
			switch {
			case a.Key == "id":
				p.ids[a.Val] = true
			case a.Key == "href", a.Key == "src" && !strings.HasPrefix(a.Val, "data:"):
				p.links = append(p.links, a.Val)
			}
		}
	}
	return p, nil
}

// follow returns why a link of a page leads nowhere, or "" if it leads somewhere.
func follow(dir, from, link string, pages map[string]*page) string {
	u, err := url.Parse(link)
	switch {
	case err != nil:
		return err.Error()
	case u.Scheme != "" || u.Host != "" || strings.HasPrefix(u.Path, "/"):
		return "is not relative"
	case link == "":
		return "is empty"
	}
	to := from
	if u.Path != "" {
		to = filepath.Join(filepath.Dir(from), filepath.FromSlash(u.Path))
	}
	if rel, err := filepath.Rel(dir, to); err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return "leads out of the site"
	}
	switch info, err := os.Stat(to); {
	case errors.Is(err, fs.ErrNotExist):
		return "the file does not exist"
	case err != nil:
		return err.Error()
	case info.IsDir():
		return "is a folder, which not every host serves"
	}
	if u.Fragment != "" {
		if p := pages[to]; p == nil || !p.ids[u.Fragment] {
			return "the page does not have this anchor"
		}
	}
	return ""
}
