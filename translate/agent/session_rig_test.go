// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/usp"
	usptrace "github.com/uspgate/uspgate/usp/trace"
	"github.com/uspgate/uspgate/usp/uspmsg"
	"github.com/uspgate/uspgate/usp/usprecord"
)

// recordOption is option for those of agent.RecordOptions.
func (r *rig) recordOption(name, value string) bool {
	o := &r.opts.Records.E2ESession
	switch name {
	case "sessions":
		o.Mode = value
	case "recordsize":
		o.MaxRecordSize = r.number(value)
	case "tries":
		o.MaxRetransmitTries = r.number(value)
	case "maxmessage":
		r.opts.Records.MaxMessage = r.number(value)
	default:
		return false
	}
	return true
}

// numberSessions has the session_ids of the Agent be 1001, 1002, ….
func (r *rig) numberSessions() {
	id := uint64(1000)
	r.opts.Records.SessionID = func() uint64 {
		id++
		return id
	}
}

// heardSession shows a Record of a Session Context, and the Message that it completes.
func (r *rig) heardSession(rec usp.Record) *uspmsg.Msg {
	var m usprecord.Record
	if err := proto.Unmarshal(rec.Bytes(), &m); err != nil {
		r.t.Errorf("got a Record that does not parse: %v", err)
	}
	p := m.GetSessionContext()
	text := usptrace.Record(rec.Bytes()) + " of " + strconv.Itoa(rec.Len())
	for _, b := range p.GetPayload() {
		r.parts = append(r.parts, b...)
	}
	var msg *uspmsg.Msg
	done := p.GetPayloadSarState() == usprecord.SessionContextRecord_NONE ||
		p.GetPayloadSarState() == usprecord.SessionContextRecord_COMPLETE
	if done && len(r.parts) > 0 {
		msg = &uspmsg.Msg{}
		if err := proto.Unmarshal(r.parts, msg); err != nil {
			r.t.Errorf("got a Message that does not parse: %v", err)
		}
		text += "\n" + usptrace.Msg(msg)
		r.parts = nil
	}
	r.write("usp<", text)
	return msg
}

// sendSession delivers a Message, none if there are no words, in a Session Context. Opts
// are what stands before the words of a script:
//
//	session=ID seq=N exp=N again=N  the numbers of the Record; exp is 1 if not given
//	cut=I/N                         the I-th of N segments of the Message
//	tls                             payload_security
//	from=ID id=ID                   as in a Record without
func (r *rig) sendSession(opts map[string]string, id string, words []string) {
	number := func(name string) uint64 {
		n, _ := strconv.ParseUint(opts[name], 10, 64)
		return n
	}
	from := opts["from"]
	if from == "" {
		from = "self::ctl"
	}
	p := &usprecord.SessionContextRecord{
		SessionId: number("session"), SequenceId: number("seq"), ExpectedId: max(number("exp"), 1),
		RetransmitId: number("again"),
	}
	if len(words) > 0 {
		p.Payload = [][]byte{r.encoded(r.parseWords(id, words, opts["cut"] == "" || strings.HasPrefix(opts["cut"], "1/")))}
	}
	if i, n, ok := strings.Cut(opts["cut"], "/"); ok {
		p.Payload[0], p.PayloadSarState = segment(p.GetPayload()[0], r.number(i), r.number(n))
		p.PayloadrecSarState = p.GetPayloadSarState()
	}
	m := &usprecord.Record{
		Version: "1.3", ToId: string(r.agent.EndpointID()), FromId: from,
		RecordType: &usprecord.Record_SessionContext{SessionContext: p},
	}
	if _, ok := opts["tls"]; ok {
		m.PayloadSecurity = usprecord.Record_TLS12
	}
	raw, err := proto.Marshal(m)
	if err != nil {
		r.t.Fatal(err)
	}
	rec, err := usp.NewRecord(raw)
	if err == nil {
		err = r.host.Deliver(rec, nil)
	}
	if err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.write("refused: "+err.Error(), "")
	}
}

func (r *rig) encoded(m *uspmsg.Msg) []byte {
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		r.t.Fatal(err)
	}
	return raw
}

// segment is the i-th of n pieces of a Message.
func segment(b []byte, i, n int) ([]byte, usprecord.SessionContextRecord_PayloadSARState) {
	size := (len(b) + n - 1) / n
	piece := b[(i-1)*size : min(i*size, len(b))]
	switch i {
	case 1:
		return piece, usprecord.SessionContextRecord_BEGIN
	case n:
		return piece, usprecord.SessionContextRecord_COMPLETE
	default:
		return piece, usprecord.SessionContextRecord_INPROCESS
	}
}
