package harness

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"

	"github.com/tierbench/tierbench/loadtest/attack"
	"github.com/tierbench/tierbench/loadtest/result"
)

// writeRaw writes every request of a repeat in one of vegeta's formats. It returns false
// for whole if the generator could not keep all of them.
func writeRaw(dir, format string, r *result.Repeat, c *attack.Clients) (whole bool, err error) {
	samples, whole := c.Samples()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return whole, err
	}
	f, err := os.Create(filepath.Join(dir, result.RepeatFile(r.Key, r.Repeat, format)))
	if err != nil {
		return whole, err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	return whole, errors.Join(c.WriteRaw(w, format, r.Key.String(), samples), w.Flush(), f.Close())
}
