package table

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"reflect"
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
	v := reflect.ValueOf(c.Value)
	switch {
	case c.Value == nil:
		return c.String()
	case v.Kind() == reflect.Pointer && v.IsNil():
		return ""
	case v.Kind() == reflect.Pointer:
		v = v.Elem()
	}
	if v.CanFloat() {
		if math.IsNaN(v.Float()) {
			return ""
		}
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	}
	return fmt.Sprint(v)
}
