package table

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"strconv"
)

// CSV writes the table with a line of heads and one for each row. Of a cell with a value it writes
// that: numbers in full, a nil pointer and NaN as nothing. Title, sections and footnotes are not
// written: a column has to say what a section would.
func (t *Table) CSV(w io.Writer) error {
	out := csv.NewWriter(w)
	heads := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		heads[i] = c.Head
	}
	if err := out.Write(heads); err != nil {
		return err
	}
	for _, r := range t.Rows {
		if r.Title != "" {
			continue
		}
		row := make([]string, len(t.Columns))
		at := 0
		for _, c := range r.Cells {
			row[at] = c.raw()
			at += c.columns()
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func (c Cell) raw() string {
	switch v := c.Value.(type) {
	case nil:
		return c.String()
	case *float64:
		if v == nil {
			return ""
		}
		return number(*v)
	case float64:
		return number(v)
	}
	return fmt.Sprint(c.Value)
}

func number(v float64) string {
	if math.IsNaN(v) {
		return ""
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}
