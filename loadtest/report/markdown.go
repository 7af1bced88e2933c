package report

import (
	"io"

	"github.com/tierbench/tierbench/loadtest/result"
)

// Markdown writes the report. Its charts are links into charts/.
func Markdown(w io.Writer, set *result.Set) error { return Table(w, set) }
