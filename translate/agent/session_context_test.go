// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
	"github.com/uspgate/uspgate/usp/usprecord"
)

// inContext makes a Record of a Session Context.
func (r *rig) inContext(t *testing.T, from string, session, seq uint64, msgs ...*uspmsg.Msg) usp.Record {
	t.Helper()
	p := &usprecord.SessionContextRecord{SessionId: session, SequenceId: seq, ExpectedId: 1}
	for _, m := range msgs {
		p.Payload = append(p.Payload, r.encoded(m))
	}
	rec, err := usp.NewRecord(encode(t, &usprecord.Record{
		Version: "1.3", ToId: string(r.agent.EndpointID()), FromId: from,
		RecordType: &usprecord.Record_SessionContext{SessionContext: p},
	}))
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// give delivers a Record and waits for what comes of it.
func (r *rig) give(t *testing.T, rec usp.Record) {
	t.Helper()
	if err := r.host.Deliver(rec, nil); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

// last is the Record that was sent last, and how many were.
func (r *rig) last(t *testing.T) (usp.Header, int) {
	t.Helper()
	if len(r.records) == 0 {
		t.Fatal("got no Record")
	}
	return *r.records[len(r.records)-1].Header(), len(r.records)
}

// After a DisconnectRecord the Agent knows of no context [R-MTP.7].
func TestDisconnectEndsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181")
		defer r.stop()
		r.give(t, r.inContext(t, "self::ctl", 7, 1, get("m", "Device.LocalAgent.EndpointID")))
		if h, _ := r.last(t); h.Type != usp.RecordSession || h.SessionID != 7 {
			t.Fatalf("got %v, want the answer in context 7", h)
		}
		r.give(t, usp.NewDisconnect("self::ctl", r.agent.EndpointID(), "bye", 0))
		r.give(t, r.inContext(t, "self::ctl", 7, 1, get("n", "Device.LocalAgent.EndpointID")))
		if h, n := r.last(t); n != 2 || h.SessionID != 7 || h.SequenceID != 1 {
			t.Errorf("got %d Records, the last %v, want the answer in a new context 7", n, h)
		}
	})
}

// Whom the configuration does not know gets no context, and others lose none for it.
func TestContextsOfStrangers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181", "controllers=self::ctl")
		defer r.stop()
		for i := range 100 {
			r.give(t, r.inContext(t, fmt.Sprintf("self::stranger%d", i), 7, 1))
		}
		if h, n := r.last(t); n != 100 || h.Type != usp.RecordDisconnect {
			t.Errorf("got %d Records, the last %v, want a DisconnectRecord for each", n, h)
		}
	})
}

// Of learned Controllers so many have a context as there may be of them; who was silent
// longest loses its own, and is told at its next Record.
func TestContextsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181")
		defer r.stop()
		for i := range agent.DefaultControllers + 1 {
			r.give(t, r.inContext(t, fmt.Sprintf("self::c%d", i), 7, 1))
			<-time.After(time.Second)
		}
		r.give(t, r.inContext(t, "self::c5", 7, 2, get("m", "Device.LocalAgent.EndpointID")))
		if h, n := r.last(t); n != 1 || h.SessionID != 7 {
			t.Fatalf("got %d Records, the last %v, want the answer in the context of c5", n, h)
		}
		r.give(t, r.inContext(t, "self::c0", 7, 2, get("m", "Device.LocalAgent.EndpointID")))
		if h, n := r.last(t); n != 2 || h.SessionID == 7 || h.SequenceID != 1 {
			t.Errorf("got %d Records, the last %v, want a new context for c0", n, h)
		}
	})
}

// A Record for which the Agent has no room is not taken in: the next try is not the
// second Record of that number.
func TestContextAndFullInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181", "inbox=1")
		defer r.stop()
		r.inform(events("1_BOOT"))
		synctest.Wait()
		r.cpe.turn(true)
		r.give(t, r.inContext(t, "self::ctl", 7, 1, get("m1", "Device.WiFi.")))
		second := r.inContext(t, "self::ctl", 7, 2, get("m2", "Device.LocalAgent.EndpointID"))
		if err := r.host.Deliver(second, nil); !errors.Is(err, agent.ErrInboxFull) {
			t.Fatalf("got %v, want ErrInboxFull", err)
		}
		<-time.After(agent.DefaultDeadline)
		synctest.Wait()
		r.give(t, second)
		if h, n := r.last(t); n != 2 || h.SessionID != 7 || h.SequenceID != 2 {
			t.Errorf("got %d Records, the last %v, want the answers to both", n, h)
		}
	})
}

// A Record is settled when all Messages that became whole with it are.
func TestContextSettlesAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181")
		defer r.stop()
		outcomes := 0
		done := func(err error) {
			if outcomes++; err != nil {
				t.Errorf("got %v", err)
			}
		}
		msgs := []*uspmsg.Msg{
			get("m1", "Device.LocalAgent.EndpointID"), get("m2", "Device.LocalAgent.EndpointID"),
			get("m3", "Device.LocalAgent.EndpointID"),
		}
		for i, seq := range []uint64{1, 3, 2} {
			if err := r.host.Deliver(r.inContext(t, "self::ctl", 7, seq, msgs[i]), done); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if outcomes != 3 || len(r.sent) != 3 {
			t.Errorf("got %d outcomes and %d answers, want 3 of both", outcomes, len(r.sent))
		}
	})
}

// A Record whose signature is bad is ignored, and ends the context [R-E2E.23]; one
// without is where signatures are wanted [R-E2E.30].
func TestSignedRecords(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		signed   agent.Signed
		exposed  bool // the Link is not protected
		required bool
	}{
		"never":                  {agent.SignedNever, true, false},
		"unprotected, protected": {agent.SignedUnprotected, false, false},
		"unprotected, exposed":   {agent.SignedUnprotected, true, true},
		"always":                 {agent.SignedAlways, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { signedRecords(t, tt.signed, tt.exposed, tt.required) })
		})
	}
}

func signedRecords(t *testing.T, want agent.Signed, exposed, required bool) {
	t.Helper()
	r := newRig(t, "tr181")
	r.stop()
	r.opts.Records.Signed = want
	r.opts.Records.Verify = func(rec usp.Record) error {
		if rec.Header().Signed && rec.Header().Version == "1.3" {
			return nil
		}
		return errors.New("bad")
	}
	r.start()
	defer r.stop()
	r.host.Meet("self::ctl", nil, !exposed)
	signed := func(version string, seq uint64) usp.Record {
		rec, err := usp.NewRecord(encode(t, &usprecord.Record{
			Version: version, ToId: string(r.agent.EndpointID()), FromId: "self::ctl", MacSignature: []byte("x"),
			RecordType: &usprecord.Record_SessionContext{SessionContext: &usprecord.SessionContextRecord{
				SessionId: 7, SequenceId: seq, ExpectedId: 1,
				Payload: [][]byte{r.encoded(get(fmt.Sprint("m", seq), "Device.LocalAgent.EndpointID"))},
			}},
		}))
		if err != nil {
			t.Fatal(err)
		}
		return rec
	}
	r.give(t, signed("1.2", 1))
	if len(r.records) != 0 {
		t.Fatalf("got %d Records to a bad signature without context, want none", len(r.records))
	}
	r.give(t, signed("1.3", 1))
	if h, n := r.last(t); n != 1 || h.SessionID != 7 {
		t.Fatalf("got %d Records, the last %v, want an answer", n, h)
	}
	r.give(t, signed("1.2", 2))
	if h, n := r.last(t); n != 2 || h.SessionID != 1001 || h.SequenceID != 1 {
		t.Fatalf("got %d Records, the last %v, want the start of another context", n, h)
	}
	r.give(t, usp.NewNoSession("self::ctl", r.agent.EndpointID(), "", r.encoded(get("n", "Device.LocalAgent.EndpointID"))))
	if answered := len(r.records) == 3; answered == required {
		t.Errorf("got an answer to a Record without signature: %t, want %t", answered, !required)
	}
}
