// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package coap_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp/mtptest"
)

// Types, codes and options of [RFC 7252], written down anew: the tests do not
// use the codec that they test.
const (
	con, non, ack, rst = 0, 1, 2, 3

	codeEmpty, codeGet, codePost, codePut = 0x00, 0x01, 0x02, 0x03
	code204, code205, code231             = 0x44, 0x45, 0x5f
	code400, code402, code403, code404    = 0x80, 0x82, 0x83, 0x84
	code405, code408, code413, code415    = 0x85, 0x88, 0x8d, 0x8f
	code503, code505                      = 0xa3, 0xa5

	optPath, optFormat, optMaxAge, optQuery = 11, 12, 14, 15
	optBlock1, optProxyURI, optSize1        = 27, 35, 60
)

// msg is a CoAP message made or taken apart by hand.
type msg struct {
	typ, code byte
	mid       uint16
	token     string
	opts      []opt // in ascending order
	payload   []byte
}

type opt struct {
	id    int
	value string
}

func (m msg) bytes() []byte {
	b := []byte{0x40 | m.typ<<4 | byte(len(m.token)), m.code, byte(m.mid >> 8), byte(m.mid)}
	b = append(b, m.token...)
	last := 0
	for _, o := range m.opts {
		d, dx := nibble(o.id - last)
		l, lx := nibble(len(o.value))
		b = append(append(append(b, d<<4|l), dx...), lx...)
		b = append(b, o.value...)
		last = o.id
	}
	if len(m.payload) > 0 {
		b = append(append(b, 0xff), m.payload...)
	}
	return b
}

func nibble(v int) (byte, []byte) {
	switch {
	case v < 13:
		return byte(v), nil
	case v < 269:
		return 13, []byte{byte(v - 13)}
	default:
		return 14, binary.BigEndian.AppendUint16(nil, uint16(v-269))
	}
}

// parse takes a message apart; it panics on what our side must not send.
func parse(b []byte) msg {
	m := msg{typ: b[0] >> 4 & 3, code: b[1], mid: binary.BigEndian.Uint16(b[2:]), token: string(b[4 : 4+b[0]&15])}
	b = b[4+b[0]&15:]
	id := 0
	ext := func(v byte) int {
		switch v {
		case 13:
			n := int(b[0]) + 13
			b = b[1:]
			return n
		case 14:
			n := int(binary.BigEndian.Uint16(b)) + 269
			b = b[2:]
			return n
		}
		return int(v)
	}
	for len(b) > 0 {
		if b[0] == 0xff {
			m.payload = bytes.Clone(b[1:])
			break
		}
		d, l := b[0]>>4, b[0]&15
		b = b[1:]
		id += ext(d)
		n := ext(l)
		m.opts = append(m.opts, opt{id, string(b[:n])})
		b = b[n:]
	}
	return m
}

// get returns the first option of that number.
func (m msg) get(id int) (string, bool) {
	for _, o := range m.opts {
		if o.id == id {
			return o.value, true
		}
	}
	return "", false
}

func (m msg) String() string {
	return fmt.Sprintf("type %d code %d.%02d mid %d options %v %q", m.typ, m.code>>5, m.code&31, m.mid, m.opts, m.payload)
}

// blockOpt is a Block1 option.
func blockOpt(num int, more bool, szx int) opt {
	v := num<<4 | szx
	if more {
		v |= 8
	}
	return opt{optBlock1, uintValue(v)}
}

func uintValue(v int) string {
	b := binary.BigEndian.AppendUint32(nil, uint32(v))
	return string(bytes.TrimLeft(b, "\x00"))
}

// peer is a CoAP endpoint by hand.
type peer struct {
	tb   testing.TB
	conn net.PacketConn
	to   net.Addr
	mid  uint16
}

func newPeer(tb testing.TB, addr string) *peer {
	tb.Helper()
	p := &peer{tb: tb, conn: listenUDP(tb)}
	if addr != "" {
		p.to = address(tb, addr)
	}
	return p
}

func address(tb testing.TB, addr string) *net.UDPAddr {
	tb.Helper()
	to, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		tb.Fatalf("address: got %v, want nil", err)
	}
	return to
}

// replyTo is the URI of the peer.
func (p *peer) replyTo() string { return "coap://" + p.conn.LocalAddr().String() + "/peer" }

func (p *peer) send(b []byte) {
	p.tb.Helper()
	if _, err := p.conn.WriteTo(b, p.to); err != nil {
		p.tb.Fatalf("write: got %v, want nil", err)
	}
}

// next waits for a datagram.
func (p *peer) next() msg {
	p.tb.Helper()
	m, ok := p.within(mtptest.Timeout)
	if !ok {
		p.tb.Fatal("no datagram came")
	}
	return m
}

// within returns a datagram that comes within d, if one does.
func (p *peer) within(d time.Duration) (msg, bool) {
	p.tb.Helper()
	buf := make([]byte, 4096)
	if err := p.conn.SetReadDeadline(time.Now().Add(d)); err != nil {
		p.tb.Fatalf("deadline: got %v, want nil", err)
	}
	n, from, err := p.conn.ReadFrom(buf)
	if err != nil {
		return msg{}, false
	}
	if p.to == nil {
		p.to = from
	}
	return parse(buf[:n]), true
}

// post is a POST of a Record as Agents send it.
func (p *peer) post(record []byte, more ...opt) msg {
	p.mid++
	m := msg{con, codePost, p.mid, fmt.Sprintf("tok%d", p.mid), []opt{
		{optPath, "usp"}, {optFormat, "\x2a"}, {optQuery, "reply-to=" + p.replyTo()},
	}, record}
	m.opts = append(m.opts, more...)
	return m
}

// roundTrip sends m and returns what comes back.
func (p *peer) roundTrip(m msg) msg {
	p.tb.Helper()
	p.send(m.bytes())
	return p.next()
}

// want fails the test unless the answer to m is piggybacked and has that code.
func (p *peer) want(m msg, code byte) msg {
	p.tb.Helper()
	got := p.roundTrip(m)
	if got.typ != ack || got.code != code || got.mid != m.mid || got.token != m.token {
		p.tb.Fatalf("answer: got %v, want an ACK %d.%02d of mid %d", got, code>>5, code&31, m.mid)
	}
	return got
}
