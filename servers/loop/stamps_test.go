package loop

import (
	"testing"
	"time"
)

func TestStampAge(t *testing.T) {
	turn := time.Duration(stampTime+1) * stampUnit
	for _, test := range []struct {
		reason    string
		set, seen time.Duration
		want      time.Duration
	}{
		{"some seconds", 10 * time.Second, 15 * time.Second, 5 * time.Second},
		{"at once", time.Minute, time.Minute, 0},
		{"over the turn", turn - time.Second, turn + time.Second, 2 * time.Second},
		{"after many turns", 5*turn + time.Second, 5*turn + 3*time.Second, 2 * time.Second},
	} {
		for _, state := range []stamp{0, halfClosed, isActive} {
			if got := (stampAt(test.set) | state).age(stampAt(test.seen)); got != test.want {
				t.Errorf("%s: %v, want %v", test.reason, got, test.want)
			}
		}
	}
	if stampAt(0) == 0 || stampAt(turn) == 0 {
		t.Error("a stamp of 0 means that there is no connection")
	}
}

func TestStamps(t *testing.T) {
	var s stamps
	want := map[int]stamp{0: 1, 7: 2, stampPage - 1: 3, stampPage: 4, 20*stampPage + 5: 5}
	for fd, st := range want {
		s.set(fd, st)
	}
	s.set(9, 1)
	s.set(9, 0)
	got := make(map[int]stamp)
	s.each(func(fd int, st stamp) { got[fd] = st })
	if len(got) != len(want) {
		t.Errorf("each visits %v, want %v", got, want)
	}
	for fd, st := range want {
		if got[fd] != st || s.get(fd) != st {
			t.Errorf("descriptor %d: %d and %d, want %d", fd, got[fd], s.get(fd), st)
		}
	}
	if s.get(1<<20) != 0 {
		t.Error("a descriptor never seen has a stamp")
	}
}
