package loop

import "time"

// A stamp is a time in units of stampUnit since the loop began, never 0, and two bits of state.
type stamp uint32

const (
	halfClosed stamp = 1 << 31 // the loop has half-closed the connection while draining
	isActive   stamp = 1 << 30 // there is an active, which has its own timeouts
	stampTime  stamp = isActive - 1

	stampUnit = 10 * time.Millisecond // so that it wraps around after 124 days
)

func stampAt(d time.Duration) stamp {
	return max(stamp(d/stampUnit)&stampTime, 1)
}

// age is the time from s to now, also if the stamp has wrapped around.
func (s stamp) age(now stamp) time.Duration {
	return time.Duration((now-s)&stampTime) * stampUnit
}

// stamps contains the time at which each connection last sent something, by descriptor; 0 is no
// connection. Descriptors are small numbers that the kernel uses again, so a table in pages takes
// four bytes for a connection, and grows without being copied.
type stamps struct {
	pages []*[stampPage]stamp
}

const stampPage = 1024

func (t *stamps) get(fd int) stamp {
	if p := fd / stampPage; p < len(t.pages) && t.pages[p] != nil {
		return t.pages[p][fd%stampPage]
	}
	return 0
}

func (t *stamps) set(fd int, s stamp) {
	p := fd / stampPage
	for p >= len(t.pages) {
		t.pages = append(t.pages, nil)
	}
	if t.pages[p] == nil {
		t.pages[p] = new([stampPage]stamp)
	}
	t.pages[p][fd%stampPage] = s
}

// each calls f for every connection.
func (t *stamps) each(f func(fd int, s stamp)) {
	for p, page := range t.pages {
		if page == nil {
			continue
		}
		for i, s := range page {
			if s != 0 {
				f(p*stampPage+i, s)
			}
		}
	}
}
