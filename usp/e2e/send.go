// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"fmt"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/usprecord"
)

// outgoing is what was sent in a context.
type outgoing struct {
	next uint64 // sequence_id of the next Record [R-E2E.14]
	kept []kept // what is not acknowledged, ascending [R-E2E.16]
	// bytes is what the kept have.
	bytes int
}

// kept is a Record that may have to be sent again.
type kept struct {
	seq   uint64
	rec   usp.Record
	tries int
}

func (o *outgoing) forget() {
	o.bytes -= o.kept[0].rec.Len()
	o.kept[0] = kept{}
	o.kept = o.kept[1:]
}

// acknowledged forgets what the other side has; expected is an expected_id
// [R-E2E.16].
func (o *outgoing) acknowledged(expected uint64) {
	for len(o.kept) > 0 && o.kept[0].seq < expected {
		o.forget()
	}
}

// Send sends one Message, which is not empty: in the current context or, where there
// is none any more, in a new one [R-E2E.7, R-E2E.9]. While the next try to start one
// is not due the Message waits. It does not retain payload unless it waits. The error
// is ErrSize or ErrFull; nothing was sent then.
func (s *Session) Send(now time.Time, payload []byte) (Output, error) {
	var out Output
	if !s.due.IsZero() {
		if s.due.After(now) {
			return out, s.hold(payload)
		}
		out = s.Tick(now)
	}
	s.ready(now)
	s.release(now, &out)
	err := s.send(now, payload, &out)
	return out, err
}

// Start starts a new Session Context, whether there is one or not, with an empty
// Record.
func (s *Session) Start(now time.Time) Output {
	var out Output
	s.begin(now)
	out.Records = append(out.Records, s.empty(now, 0))
	return out
}

// hold keeps a Message for the next context.
func (s *Session) hold(payload []byte) error {
	if len(s.held) >= s.o.MaxRecords || s.heldBytes+len(payload) > s.o.MaxBytes {
		return ErrFull
	}
	s.held = append(s.held, payload)
	s.heldBytes += len(payload)
	return nil
}

// ready sees to it that there is a context to send in.
func (s *Session) ready(now time.Time) {
	if s.cur.id == 0 || s.expired(now) || s.cur.out.next > math.MaxUint64-margin {
		s.begin(now)
	}
}

// send makes the Records of a Message, within MaxRecordSize each.
func (s *Session) send(now time.Time, payload []byte, out *Output) error {
	whole, err := s.record(payload, usprecord.SessionContextRecord_NONE, 0)
	if err != nil {
		return err
	}
	limit := s.set.MaxRecordSize
	if limit == 0 || whole.Len() <= limit {
		out.Records = append(out.Records, s.sent(now, whole))
		return nil
	}
	for rest, state := payload, usprecord.SessionContextRecord_BEGIN; len(rest) > 0; {
		n := min(s.room(limit), len(rest))
		switch {
		case n <= 0:
			return ErrSize
		case n == len(rest):
			state = usprecord.SessionContextRecord_COMPLETE
		}
		rec, err := s.record(rest[:n], state, 0)
		if err != nil {
			return err
		}
		out.Records = append(out.Records, s.sent(now, rec))
		rest, state = rest[n:], usprecord.SessionContextRecord_INPROCESS
	}
	return nil
}

// message returns the next Record without its payload.
func (s *Session) message(state usprecord.SessionContextRecord_PayloadSARState, again uint64) *usprecord.Record {
	version := s.set.Version
	if version == "" {
		version = usp.Version
	}
	return &usprecord.Record{
		Version: version, ToId: string(s.o.Remote), FromId: string(s.o.Local),
		RecordType: &usprecord.Record_SessionContext{SessionContext: &usprecord.SessionContextRecord{
			SessionId: s.cur.id, SequenceId: s.cur.out.next, ExpectedId: s.cur.in.expected, RetransmitId: again,
			PayloadSarState: state, PayloadrecSarState: state,
		}},
	}
}

// record makes the next Record. A plaintext one has at most one payload, and both
// states are equal.
func (s *Session) record(
	payload []byte, state usprecord.SessionContextRecord_PayloadSARState, again uint64,
) (usp.Record, error) {
	m := s.message(state, again)
	if len(payload) > 0 {
		m.GetSessionContext().Payload = [][]byte{payload}
	}
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return usp.Record{}, fmt.Errorf("e2e: %w", err)
	}
	rec, err := usp.NewRecord(raw)
	if err != nil {
		return usp.Record{}, fmt.Errorf("e2e: %w", err)
	}
	return rec, nil
}

// room is how many bytes of payload the next Record has room for.
func (s *Session) room(limit int) int {
	m := s.message(usprecord.SessionContextRecord_INPROCESS, 0)
	inner := proto.Size(m.GetSessionContext())
	around := proto.Size(m) - protowire.SizeBytes(inner)
	fits := func(n int) bool { return around+protowire.SizeBytes(inner+1+protowire.SizeBytes(n)) <= limit }
	n := limit - around - inner
	for n > 0 && !fits(n) {
		n--
	}
	return n
}

// sent takes note of a Record that is being sent, and returns it.
func (s *Session) sent(now time.Time, rec usp.Record) usp.Record {
	out := &s.cur.out
	if s.cur.own && !s.cur.heard && s.cur.first.Len() == 0 {
		s.cur.first, s.cur.at = rec, now
	}
	if s.set.MaxRetransmitTries != 0 {
		out.kept = append(out.kept, kept{seq: out.next, rec: rec})
		out.bytes += rec.Len()
		for len(out.kept) > s.o.MaxRecords || out.bytes > s.o.MaxBytes && len(out.kept) > 1 {
			out.forget()
		}
	}
	out.next++ // [R-E2E.15]
	s.cur.in.silent = 0
	s.cur.used = now
	return rec
}

// empty makes a Record without payload, which acknowledges and may ask for another.
func (s *Session) empty(now time.Time, again uint64) usp.Record {
	rec, err := s.record(nil, usprecord.SessionContextRecord_NONE, again)
	if err != nil { // only for Endpoint IDs that are none
		return usp.Record{}
	}
	return s.sent(now, rec)
}

// again sends a Record again that the other side has asked for.
func (s *Session) again(seq uint64, out *Output) error {
	for i := range s.cur.out.kept {
		k := &s.cur.out.kept[i]
		if k.seq != seq {
			continue
		}
		if limit := s.set.MaxRetransmitTries; limit >= 0 && k.tries >= limit {
			return ErrRetransmit
		}
		k.tries++
		out.Records = append(out.Records, k.rec)
		return nil
	}
	return ErrRetransmit
}

// clone is a copy of a segment with room for those that follow.
func clone(b []byte) []byte { return append(make([]byte, 0, 2*len(b)), bytes.Clone(b)...) }
