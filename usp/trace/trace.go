// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package trace prints USP Records and Messages in one stable text form, for
// logs, golden files, the admin pages and the trace command. Values that a log
// must not hold are masked. The form is for people; nothing parses it.
package trace

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
	"github.com/uspgate/uspgate/usp/usprecord"
)

// MaxSize is about how many bytes of text there are at most; the rest of a
// Message is left out, and said so.
const MaxSize = 64 << 10

// maxValue is the greatest length of one value; a longer one is cut.
const maxValue = 512

// Record prints a Record and the Message in it, one line each and what is in
// the Message indented below. Bytes that are no Record are said to be so.
func Record(rec []byte) string {
	var p printer
	var r usprecord.Record
	if err := proto.Unmarshal(rec, &r); err != nil {
		p.line("malformed Record, " + size(len(rec)))
		return p.String()
	}
	head := []string{orNone(r.GetFromId()) + " → " + orNone(r.GetToId())}
	if v := r.GetVersion(); v != usp.Version {
		head = append(head, "version="+word(v))
	}
	if s := r.GetPayloadSecurity(); s != usprecord.Record_PLAINTEXT {
		head = append(head, s.String())
	}
	if n := len(r.GetMacSignature()); n > 0 {
		head = append(head, "signed")
	}
	if n := len(r.GetSenderCert()); n > 0 {
		head = append(head, "sender_cert="+size(n))
	}
	body := p.recordType(&r)
	p.line(strings.Join(append(head, body...), " "))
	if n := r.GetNoSessionContext(); n != nil {
		p.depth++
		p.payload(n.GetPayload())
	}
	return p.String()
}

// recordType returns the words of the head line about the record type.
func (p *printer) recordType(r *usprecord.Record) []string {
	switch t := r.GetRecordType().(type) {
	case *usprecord.Record_NoSessionContext:
		return nil
	case *usprecord.Record_SessionContext:
		return session(t.SessionContext)
	case *usprecord.Record_WebsocketConnect:
		return []string{"WebSocketConnect"}
	case *usprecord.Record_UdsConnect:
		return []string{"UDSConnect"}
	case *usprecord.Record_MqttConnect:
		c := t.MqttConnect
		return []string{"MQTTConnect", c.GetVersion().String(), "topic=" + word(c.GetSubscribedTopic())}
	case *usprecord.Record_StompConnect:
		c := t.StompConnect
		return []string{"STOMPConnect", c.GetVersion().String(), "destination=" + word(c.GetSubscribedDestination())}
	case *usprecord.Record_Disconnect:
		words := []string{"Disconnect"}
		if c := t.Disconnect.GetReasonCode(); c != 0 {
			words = append(words, errorText(c, t.Disconnect.GetReason()))
		} else if text := t.Disconnect.GetReason(); text != "" {
			words = append(words, quote(text))
		}
		return words
	default:
		return []string{"without record type"}
	}
}

func session(s *usprecord.SessionContextRecord) []string {
	n := 0
	for _, b := range s.GetPayload() {
		n += len(b)
	}
	words := []string{
		"session=" + strconv.FormatUint(s.GetSessionId(), 10),
		"seq=" + strconv.FormatUint(s.GetSequenceId(), 10),
		"expected=" + strconv.FormatUint(s.GetExpectedId(), 10),
	}
	if id := s.GetRetransmitId(); id != 0 {
		words = append(words, "retransmit="+strconv.FormatUint(id, 10))
	}
	if a, b := s.GetPayloadSarState(), s.GetPayloadrecSarState(); a != 0 || b != 0 {
		words = append(words, "sar="+a.String()+"/"+b.String())
	}
	return append(words, "payload="+size(n))
}

func (p *printer) payload(b []byte) {
	var m uspmsg.Msg
	if err := proto.Unmarshal(b, &m); err != nil {
		p.line("malformed Message, " + size(len(b)))
		return
	}
	p.msg(&m)
}

// Msg prints a Message: its name and msg_id, and below, indented, what is in
// it. Maps are sorted; what is empty is left out.
func Msg(m *uspmsg.Msg) string {
	var p printer
	p.msg(m)
	return p.String()
}

func (p *printer) msg(m *uspmsg.Msg) {
	id := " msg_id=" + word(m.GetHeader().GetMsgId())
	switch b := m.GetBody().GetMsgBody().(type) {
	case *uspmsg.Body_Request:
		p.request(b.Request, id)
	case *uspmsg.Body_Response:
		p.response(b.Response, id)
	case *uspmsg.Body_Error:
		p.line("Error" + id)
		p.in(func() {
			p.line(errorText(b.Error.GetErrCode(), b.Error.GetErrMsg()))
			for _, e := range b.Error.GetParamErrs() {
				p.failed(e.GetParamPath(), e)
			}
		})
	default:
		p.line("Message without body" + id)
	}
}

// printer collects lines.
type printer struct {
	b     strings.Builder
	depth int
	over  bool
}

// String returns the lines, without a newline at the end.
func (p *printer) String() string { return strings.TrimSuffix(p.b.String(), "\n") }

func (p *printer) line(s string) {
	if p.over {
		return
	}
	if p.b.Len()+len(s) > MaxSize {
		p.over = true
		s = "… (cut)"
	}
	for range p.depth {
		p.b.WriteString("  ")
	}
	p.b.WriteString(s)
	p.b.WriteByte('\n')
}

// in calls f one level deeper.
func (p *printer) in(f func()) {
	p.depth++
	f()
	p.depth--
}

// values prints a map, sorted, each name after prefix.
func (p *printer) values(prefix string, m map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		p.line(quote(prefix+name) + " = " + value(name, m[name]))
	}
}

// coded is any of the schema's error elements.
type coded interface {
	GetErrCode() uint32
	GetErrMsg() string
}

func (p *printer) failed(what string, e coded) {
	p.line(maskPath(what) + " failed: " + errorText(e.GetErrCode(), e.GetErrMsg()))
}

// errorText is the code, its name, and what was said beyond the name.
func errorText(code uint32, text string) string {
	name := usp.Code(code).String()
	s := strconv.FormatUint(uint64(code), 10)
	if !strings.HasSuffix(name, s) { // has a name
		s += " " + name
	}
	if text != "" && !strings.EqualFold(text, name) {
		s += ": " + quote(text)
	}
	return s
}

func size(n int) string {
	if n == 1 {
		return "1 byte"
	}
	return strconv.Itoa(n) + " bytes"
}

func orNone(s string) string {
	if s == "" {
		return "(nobody)"
	}
	return word(s)
}

// quote returns s as it is if that is clear, else as a Go string.
func quote(s string) string {
	cut := ""
	if len(s) > maxValue {
		cut = "… (" + size(len(s)) + ")"
		s = strings.ToValidUTF8(s[:maxValue], "")
	}
	if !isClear(s) {
		s = strconv.Quote(s)
	}
	return s + cut
}

// isClear allows quotes inside, as in search expressions and JSON.
func isClear(s string) bool {
	if s == "" || s[0] == '"' || s != strings.TrimSpace(s) {
		return false
	}
	s = strings.ReplaceAll(s, `"`, "'")
	return strconv.Quote(s) == `"`+s+`"`
}

// word is quote for places where a space would end the value.
func word(s string) string {
	if strings.ContainsRune(s, ' ') && isClear(s) {
		return strconv.Quote(s)
	}
	return quote(s)
}
