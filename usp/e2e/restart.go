// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"math"
	"time"
)

// Fail gives the current context up because a Record of Remote was not to be had from
// it, such as for a bad signature [R-E2E.21, R-E2E.23]. Without a context nothing
// happens.
func (s *Session) Fail(now time.Time, why error) Output {
	var out Output
	if s.cur.id != 0 {
		s.fail(now, why, &out)
	}
	return out
}

// Next returns when Tick has something to do, zero for never.
func (s *Session) Next() time.Time {
	if in := &s.cur.in; len(in.early) > 0 {
		return in.asked.Add(s.o.AskEvery)
	}
	return s.due
}

// Tick does what is due: it asks for a missing Record, or starts the next context. To
// call it too early does no harm.
func (s *Session) Tick(now time.Time) Output {
	var out Output
	next := s.Next()
	switch {
	case next.IsZero() || next.After(now):
	case len(s.cur.in.early) == 0:
		s.begin(now)
		out.Records = append(out.Records, s.empty(now, 0))
		s.release(now, &out)
	case s.cur.in.asks >= s.o.MaxAsks:
		s.fail(now, ErrMissing, &out)
	default:
		s.cur.in.asks++
		s.cur.in.asked = now
		out.Records = append(out.Records, s.empty(now, s.cur.in.expected))
	}
	return out
}

// fail gives the current context up, and starts another: at once for the first
// failure in a row, then after a pause that grows [R-E2E.10], but not when the Session
// has been without context for its Expiration by then [R-E2E.12].
func (s *Session) fail(now time.Time, why error, out *Output) {
	out.Failure = why
	s.retire()
	s.failures++
	if s.failures == 1 {
		s.began = now
		s.begin(now)
		out.Records = append(out.Records, s.empty(now, 0))
		return
	}
	if s.began.IsZero() {
		s.began = now
	}
	low, high := Backoff(s.failures-1, s.set.RetryMin, s.set.RetryMultiplier)
	due := now.Add(low + time.Duration(s.o.Random()*float64(high-low)))
	if s.set.Expiration > 0 && due.Sub(s.began) >= s.set.Expiration {
		s.began = time.Time{}
		return
	}
	s.due = due
}

// Backoff returns between what the waiting time before try n lies, at random:
// m·(k/1000)^(n-1) and m·(k/1000)^n, n from 1 to 10 [R-E2E.10, R-E2E.11]. A minimum or
// multiplier of 0 means 5 s and 2000.
func Backoff(n int, minimum time.Duration, multiplier int) (low, high time.Duration) {
	if minimum <= 0 {
		minimum = 5 * time.Second
	}
	if multiplier <= 0 {
		multiplier = 2000
	}
	n = max(1, min(n, 10))
	k := float64(multiplier) / 1000
	wait := func(n int) time.Duration {
		return time.Duration(min(float64(minimum)*math.Pow(k, float64(n)), math.MaxInt64/2))
	}
	return wait(n - 1), wait(n)
}

// begin makes a new context of this side the current one.
func (s *Session) begin(now time.Time) {
	s.retire()
	s.due = time.Time{}
	id := s.o.NewID()
	s.cur = run{id: id, own: true, used: now, out: outgoing{next: 1}, in: incoming{expected: 1}}
}

// release sends the Messages that have waited for a context.
func (s *Session) release(now time.Time, out *Output) {
	if s.cur.id == 0 {
		return
	}
	held := s.held
	s.held, s.heldBytes = nil, 0
	for _, payload := range held {
		if s.send(now, payload, out) != nil {
			return // no Record is large enough for anything
		}
	}
}

// retire ends the current context, and a crossed one.
func (s *Session) retire() {
	s.dropCrossed()
	if s.cur.id != 0 {
		s.noteRetired(s.cur.id)
		s.cur = run{}
	}
}

// cross is retire where the other side has started a context: one that this side has
// started at the same time goes on beside it.
func (s *Session) cross() {
	own := s.cur
	if own.id == 0 || !own.own || own.heard {
		s.retire()
		return
	}
	s.dropCrossed()
	s.crossed, s.cur = own, run{}
}

func (s *Session) dropCrossed() {
	if s.crossed.id != 0 {
		s.noteRetired(s.crossed.id)
		s.crossed = run{}
	}
}

func (s *Session) noteRetired(id uint64) {
	if len(s.retired) == maxRetired {
		s.retired = append(s.retired[:0], s.retired[1:]...)
	}
	s.retired = append(s.retired, id)
}
