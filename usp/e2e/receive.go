// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"math"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/usprecord"
)

// incoming is what came in a context.
type incoming struct {
	expected uint64 // sequence_id of the next Record
	// early are Records that have come before their turn, with bytes of payload. A missing
	// one was asked for, asks times, for the last time at asked.
	early map[uint64]*usprecord.SessionContextRecord
	bytes int
	asks  int
	asked time.Time
	// silent is how many Records have come since one was sent.
	silent int
	// part is what has come of a Message of which more will.
	part []byte
	open bool
}

// Receive takes a session-context Record of Remote, whose signature, if it has one, is
// valid. It retains nothing of it. A Record of another context than the current one
// starts that, or else has a new one started; what is of a context that is known to be
// over, or has come already, is ignored [R-E2E.20, R-E2E.25].
func (s *Session) Receive(now time.Time, rec usp.Record) Output {
	var out Output
	var r usprecord.Record
	if err := proto.Unmarshal(rec.Bytes(), &r); err != nil { // cannot be, for rec is a Record
		return out
	}
	p := r.GetSessionContext()
	tls := r.GetPayloadSecurity() != usprecord.Record_PLAINTEXT
	if s.cur.id != 0 && s.expired(now) {
		id := s.cur.id
		s.retire()
		if p.GetSessionId() == id {
			s.fail(now, ErrExpired, &out)
			return out
		}
	}
	if s.crossed.id != 0 && now.Sub(s.crossed.used) >= s.patience() {
		s.dropCrossed()
	}
	switch {
	case p.GetSessionId() == 0 || p.GetSequenceId() == 0:
		out.Failure = ErrValue
	case p.GetSessionId() == s.cur.id && tls:
		s.fail(now, ErrSecurity, &out) // [R-E2E.18, R-E2E.19]
	case p.GetSessionId() == s.cur.id:
		s.accept(now, p, &out)
	case p.GetSessionId() == s.crossed.id && !tls:
		s.cur, s.crossed = s.crossed, s.cur
		s.accept(now, p, &out)
	case tls:
		out.Failure = ErrTLS
	default:
		s.foreign(now, p, &out)
	}
	return out
}

// foreign takes a Record of another context than the current one.
func (s *Session) foreign(now time.Time, p *usprecord.SessionContextRecord, out *Output) {
	if slices.Contains(s.retired, p.GetSessionId()) {
		s.late(now, out)
		return
	}
	if p.GetSequenceId() != 1 {
		s.noteRetired(p.GetSessionId())
		if s.due.IsZero() {
			s.fail(now, ErrUnknown, out)
		}
		return
	}
	s.cross() // [R-E2E.6]
	s.due = time.Time{}
	s.cur = run{id: p.GetSessionId(), used: now, out: outgoing{next: 1}, in: incoming{expected: 1}} // [R-E2E.4]
	s.accept(now, p, out)
	s.release(now, out)
}

// late takes a Record of a context that is over: it was under way for long, or the
// other side does not know of the current one.
func (s *Session) late(now time.Time, out *Output) {
	if s.cur.id == 0 {
		return
	}
	s.cur.late++
	switch {
	case s.cur.late >= maxLate:
		s.failures = max(s.failures, 1) // not at once: the other side may do the same
		s.fail(now, ErrCrossed, out)
	case s.cur.own && !s.cur.heard && s.cur.first.Len() > 0 && now.Sub(s.cur.at) >= s.o.AskEvery:
		s.cur.at = now // it may have been lost
		out.Records = append(out.Records, s.cur.first)
	}
}

// accept takes a Record of the current context.
func (s *Session) accept(now time.Time, p *usprecord.SessionContextRecord, out *Output) {
	in := &s.cur.in
	seq := p.GetSequenceId()
	if seq < in.expected || in.early[seq] != nil {
		return // [R-E2E.25]
	}
	s.cur.heard, s.cur.first, s.cur.late, s.cur.used = true, usp.Record{}, 0, now
	s.cur.out.acknowledged(p.GetExpectedId())
	if again := p.GetRetransmitId(); again != 0 {
		// Also of a Record that came too early: else both sides might wait for each other.
		if err := s.again(again, out); err != nil {
			s.fail(now, err, out)
			return
		}
	}
	if seq > in.expected {
		if err := s.keep(now, p); err != nil {
			s.fail(now, err, out)
		}
		return
	}
	if err := s.process(now, p, out); err != nil {
		s.fail(now, err, out)
		return
	}
	switch {
	case in.expected > math.MaxUint64-margin: // [R-E2E.8]
		s.begin(now)
		out.Records = append(out.Records, s.empty(now, 0))
	case in.silent >= ackEvery:
		out.Records = append(out.Records, s.empty(now, 0))
	}
}

// keep keeps a Record that came too early.
func (s *Session) keep(now time.Time, p *usprecord.SessionContextRecord) error {
	in := &s.cur.in
	n := weight(p)
	if len(in.early) >= s.o.MaxRecords || in.bytes+n > s.o.MaxBytes ||
		p.GetSequenceId()-in.expected > uint64(s.o.MaxRecords) {
		return fmt.Errorf("%w: %d is expected, %d came", ErrGap, in.expected, p.GetSequenceId())
	}
	if in.early == nil {
		in.early = make(map[uint64]*usprecord.SessionContextRecord)
	}
	if len(in.early) == 0 {
		in.asks, in.asked = 0, now
	}
	in.early[p.GetSequenceId()] = p
	in.bytes += n
	return nil
}

// weight is about how many bytes the payload of a Record has in memory.
func weight(p *usprecord.SessionContextRecord) int {
	n := 0
	for _, b := range p.GetPayload() {
		n += len(b) + 24
	}
	return n
}

// process takes the Record that is expected, and those that have waited for it
// [R-E2E.20].
func (s *Session) process(now time.Time, p *usprecord.SessionContextRecord, out *Output) error {
	in := &s.cur.in
	for p != nil {
		if err := s.take(p, out); err != nil {
			return err
		}
		s.failures = 0 // [R-E2E.13]
		in.expected++
		in.silent++
		if p = in.early[in.expected]; p == nil {
			break
		}
		delete(in.early, in.expected)
		in.bytes -= weight(p)
		in.asks, in.asked = 0, now
	}
	return nil
}

// take takes the payload of a Record whose turn it is.
func (s *Session) take(p *usprecord.SessionContextRecord, out *Output) error {
	in := &s.cur.in
	var payload []byte
	for _, b := range p.GetPayload() {
		if len(b) > 0 && payload != nil {
			return ErrPayload
		}
		if len(b) > 0 {
			payload = b
		}
	}
	state := p.GetPayloadSarState()
	begins := state == usprecord.SessionContextRecord_BEGIN
	switch {
	case state == usprecord.SessionContextRecord_NONE && payload == nil: // only acknowledges, or asks
		return nil
	case in.open == (begins || state == usprecord.SessionContextRecord_NONE):
		return fmt.Errorf("%w: %s", ErrSegments, state)
	case len(in.part)+len(payload) > s.o.MaxMessage:
		return fmt.Errorf("%w: %d bytes, %d at most", ErrTooLarge, len(in.part)+len(payload), s.o.MaxMessage)
	case state == usprecord.SessionContextRecord_NONE:
		out.Messages = append(out.Messages, payload)
		return nil
	case begins:
		in.part, in.open = clone(payload), true
		return nil
	}
	in.part = append(in.part, payload...)
	if state == usprecord.SessionContextRecord_COMPLETE {
		if len(in.part) > 0 {
			out.Messages = append(out.Messages, in.part)
		}
		in.part, in.open = nil, false
	}
	return nil
}
