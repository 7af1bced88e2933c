package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tierbench/tierbench/loadtest/report/reporttest"
)

// probe does what a reader would, and leaves what it saw in the page.
const probe = `
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
});`

// TestPageInABrowser loads the page in Chromium: all charts are drawn, the
// cursor is linked, a model can be hidden, and a click leads to a cell.
func TestPageInABrowser(t *testing.T) {
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
	if err := page(&b, set, drawn, nil); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), HTMLFile)
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	var saw struct {
		Charts, Hovered, Off, Here int
		Plain, Values              string
		Errors                     []string
	}
	reporttest.Try(t, file, probe, &saw)
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
