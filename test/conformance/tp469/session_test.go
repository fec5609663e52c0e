// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package tp469_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"fmt"
	"maps"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/internal/pki/pkitest"
	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/e2e"
	"github.com/uspgate/uspgate/usp/uspmsg"
	"github.com/uspgate/uspgate/usp/usprecord"
)

// session is the E2ESession of the third Controller.
const session = controllers + "3.E2ESession."

// conversation is a Session Context as the third Controller has it: it numbers its
// Records, and may do so wrongly.
type conversation struct {
	*bench
	p        *peer
	id       uint64
	seq      uint64 // of the next Record
	expected uint64 // of the Agent's
	asked    int
}

// converse connects, and has the parameters of E2ESession be what params say and else
// the first ones.
func (b *bench) converse(id uint64, params map[string]string) *conversation {
	b.Helper()
	b.silenceThird()
	b.Cleanup(func() { b.session(nil) })
	b.session(params)
	return &conversation{bench: b, p: b.peerAs(third), id: id, seq: 1, expected: 1}
}

// silenceThird has the Agent not ask the third Controller to be on-boarded.
func (b *bench) silenceThird() {
	b.set(false, controller.Update(controllers+"3.", map[string]string{"OnBoardingComplete": "true"}))
}

// session sets E2ESession of the third Controller.
func (b *bench) session(params map[string]string) {
	b.Helper()
	all := map[string]string{"SessionMode": "Allow", "SessionExpiration": "0", "MaxRetransmitTries": "0"}
	maps.Copy(all, params)
	ctx, cancel := contextFor()
	defer cancel()
	if _, err := b.first.Set(ctx, b.cpe.Agent, false, controller.Update(session, all)); err != nil {
		b.Fatal(err)
	}
}

// record is the next Record, or another with that sequence_id.
func (c *conversation) record(seq, again uint64, payload []byte) usp.Record {
	c.Helper()
	p := &usprecord.SessionContextRecord{SessionId: c.id, SequenceId: seq, ExpectedId: c.expected, RetransmitId: again}
	if payload != nil {
		p.Payload = [][]byte{payload}
	}
	raw, err := proto.Marshal(&usprecord.Record{
		Version: usp.Version, ToId: string(c.cpe.Agent), FromId: string(third),
		RecordType: &usprecord.Record_SessionContext{SessionContext: p},
	})
	if err != nil {
		c.Fatal(err)
	}
	rec, err := usp.NewRecord(raw)
	if err != nil {
		c.Fatal(err)
	}
	return rec
}

// ask sends a Get in the Record with that sequence_id and returns its msg_id.
func (c *conversation) ask(seq uint64) string {
	c.Helper()
	c.asked++
	id := "s" + strconv.FormatUint(c.id, 10) + "-" + strconv.Itoa(c.asked)
	c.p.say(c.T, c.record(seq, 0, ask(c.T, id)))
	return id
}

// said is a Record of the Agent in a Session Context, with the Message in it.
type said struct {
	rec usp.Record
	*usprecord.SessionContextRecord
	msg uspmsg.Msg
}

// hear returns the next Record that is no Notify.
func (c *conversation) hear() *said {
	c.Helper()
	after := time.After(harness.Timeout)
	for {
		select {
		case rec := <-c.p.recs:
			var r usprecord.Record
			if err := proto.Unmarshal(rec.Bytes(), &r); err != nil || r.GetSessionContext() == nil {
				c.Fatalf("got %v, %v, want a Record of a Session Context", &r, err)
			}
			s := &said{rec: rec, SessionContextRecord: r.GetSessionContext()}
			if s.GetSessionId() == c.id && s.GetSequenceId() == c.expected {
				c.expected++
			}
			for _, b := range s.GetPayload() {
				if err := proto.Unmarshal(b, &s.msg); err != nil {
					c.Fatal(err)
				}
			}
			if s.msg.GetBody().GetRequest() == nil {
				return s
			}
		case <-after:
			c.Fatal("no Record of a Session Context came")
		}
	}
}

// answered waits for the answer to a request, in this context, with the next number.
func (c *conversation) answered(id string) *said {
	c.Helper()
	s := c.hear()
	if s.msg.GetHeader().GetMsgId() != id || s.GetSessionId() != c.id || s.GetSequenceId() != c.expected-1 {
		c.Fatalf("got %v with %v, want the answer to %s in context %d", s.SessionContextRecord, &s.msg, id, c.id)
	}
	return s
}

// exchange is a request and its answer.
func (c *conversation) exchange() *said {
	c.Helper()
	id := c.ask(c.seq)
	c.seq++
	s := c.answered(id)
	if s.GetExpectedId() != c.seq {
		c.Errorf("got expected_id %d, want %d", s.GetExpectedId(), c.seq)
	}
	return s
}

// restarted waits for the first Record of another context, and goes on in it.
func (c *conversation) restarted() {
	c.Helper()
	s := c.hear()
	if s.GetSessionId() == c.id || s.GetSessionId() < 2 || s.GetSequenceId() != 1 || s.GetExpectedId() != 1 {
		c.Fatalf("got %v, want the first Record of a new context", s.SessionContextRecord)
	}
	c.id, c.seq, c.expected = s.GetSessionId(), 1, 2
	c.exchange()
}

func case3_8(b *bench) {
	c := b.converse(38, nil)
	if s := c.exchange(); s.GetSequenceId() != 1 {
		b.Errorf("got sequence_id %d, want 1", s.GetSequenceId())
	}
	c.exchange()
	if got := b.value(session + "Status"); got != "Up" {
		b.Errorf("got Status %s, want Up", got)
	}
}

func case3_9(b *bench) {
	c := b.converse(39, nil)
	c.exchange()
	c.exchange()
	c.id, c.seq, c.expected = 390, 1, 1
	if s := c.exchange(); s.GetSequenceId() != 1 {
		b.Errorf("got sequence_id %d in the new context, want 1", s.GetSequenceId())
	}
}

func case3_10(b *bench) {
	c := b.converse(310, map[string]string{"SessionExpiration": "1"})
	c.exchange()
	harness.Eventually(b.T, func() error { // what the Agent says of itself meanwhile counts, too
		if got := b.value(session + "Status"); got != "Down" {
			return fmt.Errorf("the Status is %s, want Down", got)
		}
		return nil
	})
	c.ask(c.seq)
	c.restarted()
}

func case3_11(b *bench) {
	c := b.converse(311, nil)
	c.exchange()
	early := c.ask(c.seq + 1)
	first := c.ask(c.seq)
	c.seq += 2
	answers := map[string]bool{}
	for range 2 {
		s := c.hear()
		if s.GetExpectedId() != c.seq {
			b.Errorf("got expected_id %d, want %d", s.GetExpectedId(), c.seq)
		}
		answers[s.msg.GetHeader().GetMsgId()] = true
	}
	if !answers[early] || !answers[first] {
		b.Errorf("got answers to %v, want those to %s and %s", answers, early, first)
	}
}

// again asks for a Record of the Agent again.
func (c *conversation) again(s *said) {
	c.Helper()
	c.p.say(c.T, c.record(c.seq, s.GetSequenceId(), nil))
	c.seq++
}

func case3_12(b *bench) {
	c := b.converse(312, map[string]string{"MaxRetransmitTries": "2"})
	answer := c.exchange()
	c.expected = answer.GetSequenceId() // it is not acknowledged
	c.exchangeUnacknowledged(answer)
	c.again(answer)
	if s := c.hear(); !bytes.Equal(s.rec.Bytes(), answer.rec.Bytes()) {
		b.Errorf("got %v, want %v again", s.SessionContextRecord, answer.SessionContextRecord)
	}
}

// exchangeUnacknowledged is exchange without that the answer before is acknowledged.
func (c *conversation) exchangeUnacknowledged(before *said) {
	c.Helper()
	id := c.ask(c.seq)
	c.seq++
	s := c.hear()
	if s.msg.GetHeader().GetMsgId() != id || s.GetSequenceId() <= before.GetSequenceId() {
		c.Fatalf("got %v, want the answer to %s", s.SessionContextRecord, id)
	}
	c.expected = before.GetSequenceId()
}

func case3_14(b *bench) {
	c := b.converse(314, map[string]string{"MaxRetransmitTries": "2"})
	answer := c.exchange()
	for range 2 {
		c.expected = answer.GetSequenceId()
		c.again(answer)
		if s := c.hear(); !bytes.Equal(s.rec.Bytes(), answer.rec.Bytes()) {
			b.Errorf("got %v, want %v again", s.SessionContextRecord, answer.SessionContextRecord)
		}
	}
	c.expected = answer.GetSequenceId()
	c.again(answer)
	c.restarted()
}

func case3_15(b *bench) {
	c := b.converse(315, nil)
	payload := ask(b.T, "twice")
	for range 2 {
		c.p.say(b.T, c.record(1, 0, payload))
	}
	c.seq = 2
	c.answered("twice")
	c.exchange() // its answer is the next thing that is heard
}

// signed is a request of the third Controller that the holder of a certificate has
// signed.
func (c *conversation) signed(id string, seq uint64, cert tls.Certificate) usp.Record {
	c.Helper()
	key, ok := cert.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		c.Fatalf("got a key of %T", cert.PrivateKey)
	}
	rec, err := e2e.Sign(c.record(seq, 0, ask(c.T, id)), key, pkitest.PEM("CERTIFICATE", cert.Certificate[0]))
	if err != nil {
		c.Fatal(err)
	}
	return rec
}

// Of Records with a signature those are taken whose signer is the Controller by the word
// of a trusted CA. A bad one is ignored, and ends the context [R-E2E.23].
func case2_7(b *bench) {
	c := b.converse(27, nil)
	stranger := pkitest.NewAuthority(b, "stranger")
	for i, rec := range []usp.Record{
		c.signed("of a stranger", 1, stranger.Issue(string(third))),
		c.signed("of another", 1, b.ca.Issue("self::another")),
		c.tampered(c.signed("changed", 1, b.ca.Issue(string(third)))),
	} {
		c.p.say(b.T, rec)
		id := fmt.Sprint("good", i)
		c.p.say(b.T, usp.NewNoSession(third, b.cpe.Agent, "", ask(b.T, id)))
		if h := c.p.next(b.T, isAnswer); h.msg.GetHeader().GetMsgId() != id {
			b.Errorf("got %v, want nothing but the answer to %s", h.msg, id)
		}
	}
	c.p.say(b.T, c.signed("good", 1, b.ca.Issue(string(third))))
	c.seq = 2
	c.answered("good")
	c.p.say(b.T, c.signed("of a stranger", 2, stranger.Issue(string(third))))
	c.restarted()
}

// tampered is a Record whose version was changed after it was signed.
func (c *conversation) tampered(rec usp.Record) usp.Record {
	c.Helper()
	var r usprecord.Record
	if err := proto.Unmarshal(rec.Bytes(), &r); err != nil {
		c.Fatal(err)
	}
	r.Version = "1.3"
	raw, err := proto.Marshal(&r)
	if err != nil {
		c.Fatal(err)
	}
	out, err := usp.NewRecord(raw)
	if err != nil {
		c.Fatal(err)
	}
	return out
}
