package attack

import (
	"fmt"
	"math"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

// A schedule says when each request of a shard of the open loop is due. It asks
// a pacer of vegeta as a sender that is never late would, so that the answer is
// the plan, whatever the server does.
type schedule struct {
	pacer vegeta.Pacer
	from  time.Duration // of the clock, when the pacer began
	at    time.Duration // of the pacer, when the last request was due
	sent  uint64
	next  time.Duration // of the clock, when the next is due; never if the pacer has stopped
}

const never = time.Duration(math.MaxInt64)

func newSchedule(p vegeta.Pacer, from time.Duration) *schedule {
	s := &schedule{pacer: p, from: from}
	s.find()
	return s
}

// take counts the request that is due next as sent.
func (s *schedule) take() {
	s.at = s.next - s.from
	s.sent++
	s.find()
}

func (s *schedule) find() {
	wait, stop := s.pacer.Pace(s.at, s.sent)
	if stop {
		s.next = never
		return
	}
	s.next = s.from + s.at + max(wait, 0)
}

// backlog is how many requests were due at t and not taken. It uses up the
// schedule.
func (s *schedule) backlog(t time.Duration) (n int64) {
	for ; s.next <= t; n++ {
		s.take()
	}
	return n
}

// rate is a vegeta rate of r a second, rounded to whole nanoseconds between
// two requests.
func rate(r float64) vegeta.Rate {
	return vegeta.Rate{Freq: 1, Per: time.Duration(math.Round(float64(time.Second) / r))}
}

// pacer is the part of a pace that a shard of the given share sends.
func pacer(p load.Pace, share float64, length time.Duration) (vegeta.Pacer, error) {
	first, to := p.Rate*share, p.To*share
	switch p.Shape {
	case "", result.Constant:
		return rate(first), nil
	case result.Linear:
		return vegeta.LinearPacer{StartAt: rate(first), Slope: (to - first) / length.Seconds()}, nil
	case result.Sine:
		return vegeta.SinePacer{Period: p.Period, Mean: rate(first), Amp: rate(p.Amplitude * share), StartAt: vegeta.MeanUp}, nil
	case result.Steps:
		s := steps{each: length / time.Duration(p.N)}
		for i := range p.N {
			s.rates = append(s.rates, first+(to-first)*float64(i)/float64(max(p.N-1, 1)))
		}
		return s, nil
	}
	return nil, fmt.Errorf("no shape %q", p.Shape)
}

// steps is a pacer of several rates, one after the other; the last one stays.
type steps struct {
	rates []float64
	each  time.Duration
}

// Pace implements vegeta.Pacer.
func (s steps) Pace(elapsed time.Duration, hits uint64) (time.Duration, bool) {
	left := float64(hits + 1)
	for i, r := range s.rates {
		in := r * s.each.Seconds()
		if left <= in || i == len(s.rates)-1 {
			due := time.Duration(i)*s.each + time.Duration(left/r*float64(time.Second))
			return due - elapsed, false
		}
		left -= in
	}
	return 0, true
}

// Rate implements vegeta.Pacer.
func (s steps) Rate(elapsed time.Duration) float64 {
	return s.rates[min(int(elapsed/s.each), len(s.rates)-1)]
}
