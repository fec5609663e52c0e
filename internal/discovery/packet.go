// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// packet is one message from the network.
type packet struct {
	msg  *dns.Msg
	from netip.AddrPort
}

// parse decodes a message; whatever is wrong with it is an error.
func parse(b []byte) (msg *dns.Msg, err error) {
	defer func() {
		if p := recover(); p != nil {
			msg, err = nil, fmt.Errorf("discovery: parse: panic: %v", p)
		}
	}()
	msg = new(dns.Msg)
	if err := msg.Unpack(b); err != nil {
		return nil, fmt.Errorf("discovery: parse: %w", err)
	}
	if msg.Opcode != dns.OpcodeQuery || msg.Rcode != dns.RcodeSuccess {
		return nil, errors.New("discovery: parse: neither a query nor an answer") // [RFC 6762 18.3, 18.11]
	}
	return msg, nil
}

// receive reads from conn until it is closed or ctx ends. A packet for which
// nobody has time is dropped.
func receive(ctx context.Context, conn PacketConn, m *metrics, out chan<- packet) error {
	buf := make([]byte, maxPacket)
	for rest := time.Millisecond; ; {
		n, from, err := conn.ReadFrom(buf)
		if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			return nil //nolint:nilerr // that is how it ends
		}
		if err != nil {
			if rest = 2 * rest; rest > time.Minute || !pause(ctx, rest) {
				return fmt.Errorf("discovery: receive: %w", err)
			}
			continue
		}
		rest = time.Millisecond
		msg, err := parse(buf[:n])
		if err != nil {
			m.packet(packetMalformed)
			continue
		}
		select {
		case out <- packet{msg, from}:
			m.packet(packetIn)
		default:
			m.packet(packetDropped)
		}
	}
}

// transmit sends a message, to the group if to is not valid.
func transmit(conn PacketConn, m *metrics, msg *dns.Msg, to netip.AddrPort) error {
	msg.Compress = true
	b, err := msg.Pack()
	if err == nil {
		err = conn.WriteTo(b, to)
	}
	if err != nil {
		m.packet(packetFailed)
		return fmt.Errorf("discovery: send: %w", err)
	}
	m.packet(packetOut)
	return nil
}

// response is an empty answer.
func response() *dns.Msg {
	m := new(dns.Msg)
	m.Response, m.Authoritative = true, true // [RFC 6762 18.2, 18.4]
	return m
}

// split distributes records over as many answers as it takes, additional ones as
// far as there is room.
func split(answers, additional []dns.RR) []*dns.Msg {
	var msgs []*dns.Msg
	msg, size := response(), 0
	for _, rr := range answers {
		n := dns.Len(rr)
		if size+n > maxSend && len(msg.Answer) > 0 {
			msgs = append(msgs, msg)
			msg, size = response(), 0
		}
		msg.Answer = append(msg.Answer, rr)
		size += n
	}
	for _, rr := range additional {
		n := dns.Len(rr)
		if size+n > maxSend {
			break
		}
		msg.Extra = append(msg.Extra, rr)
		size += n
	}
	return append(msgs, msg)
}

// withTTL returns a copy of rr.
func withTTL(rr dns.RR, ttl time.Duration) dns.RR {
	rr = dns.Copy(rr)
	rr.Header().Ttl = uint32(ttl / time.Second)
	return rr
}
