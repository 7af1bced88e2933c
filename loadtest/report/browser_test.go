package report

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

// probe does what a reader would, and leaves what it saw in the page.
const probe = `<script>
const errors = [];
addEventListener("error", e => errors.push(String(e.message)));
document.addEventListener("DOMContentLoaded", () => {
	const saw = {charts: document.querySelectorAll(".panel canvas").length, plain: getComputedStyle(document.querySelector(".static")).display};
	const over = document.querySelector(".u-over"), box = over.getBoundingClientRect();
	for (const type of ["mouseenter", "mousemove"])
		over.dispatchEvent(new MouseEvent(type, {clientX: box.left + 0.9 * box.width, clientY: box.top + 50, bubbles: true}));
	setTimeout(() => {
		const legends = [...document.querySelectorAll(".panel .u-legend")].map(l => l.textContent);
		saw.hovered = legends.filter(t => t.includes("10,000")).length;
		saw.values = legends[0];
		for (const type of ["mousedown", "mouseup", "click"])
			over.dispatchEvent(new MouseEvent(type, {clientX: box.left + 0.9 * box.width, clientY: box.top + 50, bubbles: true}));
		document.querySelector('.toggles button[data-model="thread"]').click();
		setTimeout(() => {
			saw.off = document.querySelectorAll(".u-legend tr.u-off").length;
			saw.here = document.querySelectorAll("details.here[open]").length;
			saw.errors = errors;
			document.body.append(Object.assign(document.createElement("pre"), {id: "saw", textContent: JSON.stringify(saw)}));
		}, 200);
	}, 200);
});
</script>`

// TestPageInABrowser loads the page in Chromium: all charts are drawn, the
// cursor is linked, a model can be hidden, and a click leads to a cell.
func TestPageInABrowser(t *testing.T) {
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
	set := whole()
	drawn, err := draw(set)
	if err != nil {
		t.Fatal(err)
	}
	panels := 0
	for _, d := range drawn {
		panels += len(d.figure.Spec(newView(set).place).Panels)
	}
	var b strings.Builder
	if err := page(&b, set, drawn); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, HTMLFile)
	if err := os.WriteFile(file, []byte(strings.Replace(b.String(), "<body>", "<body>"+probe, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	// Time in the page is virtual: it goes on when there is nothing left to do,
	// however slow the machine is.
	out, err := exec.CommandContext(ctx, browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--user-data-dir="+filepath.Join(dir, "profile"),
		"--window-size=1200,900", "--virtual-time-budget=20000", "--dump-dom", "file://"+file).Output()
	if err != nil {
		t.Fatalf("%s: %v", browser, err)
	}
	root, err := html.Parse(strings.NewReader(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	found := ""
	for n := range root.Descendants() {
		if n.Data == "pre" && n.FirstChild != nil {
			for _, a := range n.Attr {
				if a.Key == "id" && a.Val == "saw" {
					found = n.FirstChild.Data
				}
			}
		}
	}
	var saw struct {
		Charts, Hovered, Off, Here int
		Plain, Values              string
		Errors                     []string
	}
	if err := json.Unmarshal([]byte(found), &saw); err != nil {
		t.Fatalf("the page did not come to its end: %v\n%.2000s", err, out)
	}
	if len(saw.Errors) > 0 {
		t.Errorf("errors in the page: %q", saw.Errors)
	}
	if saw.Charts != panels {
		t.Errorf("%d charts are drawn, want %d", saw.Charts, panels)
	}
	if saw.Plain != "none" {
		t.Error("the pictures are shown beside the charts")
	}
	// Throughput, CPU, two latencies and memory of two workloads, and how they
	// lie on processes, have 10,000 clients; the cursor is in all of them.
	if saw.Hovered < 12 || !strings.Contains(saw.Values, "eventloop91.9k/s") {
		t.Errorf("%d panels show what is at 10,000 clients; the first says %q", saw.Hovered, saw.Values)
	}
	if saw.Off == 0 {
		t.Error("a model cannot be hidden")
	}
	if saw.Here != 1 {
		t.Error("a click leads to no cell")
	}
}
