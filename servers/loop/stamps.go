package loop

import "time"

// A stamp is a time in units of stampUnit since the loop began, never 0, and two bits of state.
type stamp uint32

const (
	halfClosed stamp = 1 << 31 // by the loop, because it was idle while draining
	isActive   stamp = 1 << 30 // there is an active: its own timeouts hold
	stampTime  stamp = isActive - 1

	stampUnit = 10 * time.Millisecond // so that it comes round after 124 days
)

func stampAt(d time.Duration) stamp {
	return max(stamp(d/stampUnit)&stampTime, 1)
}

// age is the time from s to now, also over the turn.
func (s stamp) age(now stamp) time.Duration {
	return time.Duration((now-s)&stampTime) * stampUnit
}

// stamps holds when each connection last sent something, by descriptor; 0 is none. A descriptor is a small number that the
// kernel uses again, so a table in pages takes four bytes a connection and grows without being copied.
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
