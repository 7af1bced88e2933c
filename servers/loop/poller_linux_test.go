package loop

import (
	"bufio"
	"strings"
	"testing"
)

func TestWatchedFD(t *testing.T) {
	const info = `pos:	0
flags:	02
mnt_id:	15
ino:	1057
tfd:        5 events:       1b data:                5  pos:0 ino:421 sdev:e
tfd:       12 events:       1b data:                c  pos:0 ino:2f1a sdev:8
`
	for _, test := range []struct {
		reason string
		ino    uint64
		fd     int
		found  bool
	}{
		{"the descriptor of an inode", 0x2f1a, 12, true},
		{"the inode of the epoll itself does not count", 0x1057, -1, false},
		{"a part of a number is another number", 0x2f1, -1, false},
	} {
		fd, found := watchedFD(bufio.NewScanner(strings.NewReader(info)), test.ino)
		if fd != test.fd || found != test.found {
			t.Errorf("%s: %d, %v, want %d, %v", test.reason, fd, found, test.fd, test.found)
		}
	}
}
