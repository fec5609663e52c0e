// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package udp_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/uspgate/uspgate/cwmp/connreq"
	"github.com/uspgate/uspgate/cwmp/connreq/stun"
	"github.com/uspgate/uspgate/cwmp/connreq/udp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second

// start runs a Server on loopback until the test ends.
func start(t *testing.T, o udp.Options) *udp.Server {
	t.Helper()
	if o.Addrs == nil {
		o.Addrs = []string{"127.0.0.1:0"}
	}
	o.CopyInterval = time.Millisecond
	o.Guard.AllowLoopback = true
	s := udp.New(o)
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: got %v, want nil", err)
		}
	})
	return s
}

// box is the UDP socket of a CPE.
type box struct {
	t    *testing.T
	conn *net.UDPConn
	to   netip.AddrPort
}

func newBox(t *testing.T, s *udp.Server, socket int) *box {
	t.Helper()
	to := s.Addrs()[socket]
	local := net.UDPAddrFromAddrPort(netip.AddrPortFrom(to.Addr(), 0))
	conn, err := net.ListenUDP("udp", local)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &box{t, conn, to}
}

func (b *box) addr() netip.AddrPort { return b.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

func (b *box) send(datagram []byte) {
	b.t.Helper()
	if _, err := b.conn.WriteToUDPAddrPort(datagram, b.to); err != nil {
		b.t.Fatal(err)
	}
}

// next is what comes in next, which must come from the Server.
func (b *box) next() []byte {
	b.t.Helper()
	_ = b.conn.SetReadDeadline(time.Now().Add(patience))
	buf := make([]byte, 2000)
	n, from, err := b.conn.ReadFromUDPAddrPort(buf)
	if err != nil {
		b.t.Fatal(err)
	}
	if from != b.to {
		b.t.Fatalf("got a datagram from %v, want %v", from, b.to)
	}
	return buf[:n]
}

// answer is the STUN message that comes in next.
func (b *box) answer() *stun.Message {
	b.t.Helper()
	m, err := stun.Parse(b.next())
	if err != nil {
		b.t.Fatal(err)
	}
	return m
}

// ask sends m and returns the answer to it.
func (b *box) ask(m *stun.Message, key []byte) *stun.Message {
	b.t.Helper()
	b.send(m.Append(nil, key))
	got := b.answer()
	if got.ID != m.ID {
		b.t.Fatalf("got an answer to %x, want to %x", got.ID, m.ID)
	}
	return got
}

// classic is a Binding Request of RFC 3489, modern one of RFC 5389.
func classic(n byte, attributes ...stun.Attribute) *stun.Message {
	return &stun.Message{Type: stun.BindingRequest, ID: [16]byte{1, 2, 3, n}, Attributes: attributes}
}

func modern(n byte, attributes ...stun.Attribute) *stun.Message {
	return &stun.Message{
		Type: stun.BindingRequest, ID: [16]byte{0x21, 0x12, 0xa4, 0x42, n}, Attributes: attributes,
	}
}

func attribute(t uint16, value string) stun.Attribute {
	return stun.Attribute{Type: t, Value: []byte(value)}
}

func mapped(t *testing.T, m *stun.Message) netip.AddrPort {
	t.Helper()
	v, _ := m.Get(stun.MappedAddress)
	a, ok := stun.ParseAddress(v)
	if m.Type != stun.BindingResponse || !ok {
		t.Fatalf("got type %#x with MAPPED-ADDRESS %x, want a response with one", m.Type, v)
	}
	return a
}

func errorCode(t *testing.T, m *stun.Message) int {
	t.Helper()
	v, _ := m.Get(stun.ErrorCode)
	code, _, ok := stun.ParseError(v)
	if m.Type != stun.BindingError || !ok {
		t.Fatalf("got type %#x with ERROR-CODE %x, want an error with one", m.Type, v)
	}
	return code
}

func loopbackCPE(key string, b *box) *connreq.CPE {
	return &connreq.CPE{Key: key, Source: b.addr().Addr()}
}

// wants tells a result that is not the error want, or not nil where that is nil.
func wants(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) || (err == nil) != (want == nil) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}
