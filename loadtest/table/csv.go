package table

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"strconv"
)

// CSV writes a line of heads and a line for each row. If a cell has a Value, it writes that instead
// of the text: floats with all their digits, nil pointers and NaN as an empty field. It leaves out the
// title, the sections and the footnotes.
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
