package report

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/tierbench/tierbench/loadtest/prose"
	"github.com/tierbench/tierbench/loadtest/result"
)

// Markdown writes the report. Its charts are links into charts/.
func Markdown(w io.Writer, set *result.Set) error {
	drawn, err := draw(set)
	if err != nil {
		return err
	}
	return markdown(w, set, drawn)
}

func markdown(w io.Writer, set *result.Set, drawn []*drawing) error {
	b := bufio.NewWriter(w)
	v := newView(set)
	for _, section := range []func(*bufio.Writer){
		v.opening, v.summary, v.objectives, func(b *bufio.Writer) { charts(b, drawn) }, v.models, v.details, v.ratios, v.gates, v.host, v.reproduce,
	} {
		section(b)
	}
	return b.Flush()
}

func charts(b *bufio.Writer, drawn []*drawing) {
	if len(drawn) == 0 {
		return
	}
	fmt.Fprintf(b, "## Charts\n\n`tierbench report` draws them as PNG too, and in %s, where they can be explored.\n\n", HTMLFile)
	for i, d := range drawn {
		if d.figure.Part() != "" && (i == 0 || drawn[i-1].chart.Name != d.chart.Name) {
			fmt.Fprintf(b, "### %s\n\n%s. Each picture has its own scales.\n\n", d.chart.Title, prose.Capital(d.chart.Note()))
		}
		fmt.Fprintf(b, "![%s](%s/%s.svg)\n\n", prose.Markdown(d.figure.Alt()), result.ChartsDir, d.figure.Name())
	}
}

func (v *view) models(b *bufio.Writer) {
	if len(v.run.Models)+len(v.run.Absent) == 0 {
		return
	}
	fmt.Fprint(b, "## Models\n\n")
	for _, m := range v.run.Models {
		fmt.Fprintf(b, "- **%s**", prose.Line(m.Name))
		if m.Doc != "" {
			fmt.Fprintf(b, ": %s.", strings.TrimSuffix(prose.Markdown(m.Doc), "."))
		}
		if len(m.Command) > 0 {
			fmt.Fprintf(b, " Started as %s.", prose.Code(strings.Join(m.Command, " ")))
		}
		b.WriteByte('\n')
	}
	for _, name := range slices.Sorted(maps.Keys(v.run.Absent)) {
		fmt.Fprintf(b, "- **%s** is absent from this run: %s\n", prose.Line(name), prose.Markdown(v.run.Absent[name]))
	}
	b.WriteByte('\n')
}
