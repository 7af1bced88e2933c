// Package reporttest tests pages in a real browser.
package reporttest

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// Try loads a page from a file, with a script added that runs before all others. It decodes
// the script's result into saw: JSON, as the text of an element with the id "saw". The page's
// policy must allow the script. Try skips the test if there is no browser.
func Try(t *testing.T, page, script string, saw any) {
	t.Helper()
	browser := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			browser = path
			break
		}
	}
	if browser == "" {
		t.Skip("this machine has none of chromium, chromium-browser and google-chrome: the page is not tried in a browser")
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	tried := filepath.Join(filepath.Dir(page), "tried-"+filepath.Base(page)) // its links are relative
	if err := os.WriteFile(tried, []byte(strings.Replace(string(text), "<body>", "<body><script>"+script+"</script>", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(tried)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	// Time in the page is virtual: it advances when nothing is left to do, however slow the
	// machine is.
	out, err := exec.CommandContext(ctx, browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--user-data-dir="+filepath.Join(t.TempDir(), "profile"),
		"--window-size=1200,900", "--virtual-time-budget=20000", "--dump-dom", "file://"+tried).Output()
	if err != nil {
		t.Fatalf("%s: %v", browser, err)
	}
	root, err := html.Parse(strings.NewReader(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	found := ""
	for n := range root.Descendants() {
		for _, a := range n.Attr {
			if a.Key == "id" && a.Val == "saw" && n.FirstChild != nil {
				found = n.FirstChild.Data
			}
		}
	}
	if err := json.Unmarshal([]byte(found), saw); err != nil {
		t.Fatalf("the page did not come to its end: %v\n%.2000s", err, out)
	}
}
