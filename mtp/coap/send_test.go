// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package coap_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/coap"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/usp"
)

// dial starts a Client whose peer is the test.
func dial(tb testing.TB, o coap.ClientOptions) (*mtptest.Recorder, *peer) {
	tb.Helper()
	p := newPeer(tb, "")
	if o.URL == "" {
		o.URL = "coap://" + p.conn.LocalAddr().String() + "/usp/controller"
	}
	if !o.Shared {
		o.Endpoint, o.Peer = mtptest.Agent, mtptest.Controller
	}
	o.Role = usp.RoleController
	o.Retry = mtp.BackoffOptions{Interval: 10 * time.Millisecond}
	hub := mtptest.NewRecorder(tb)
	mtptest.Start(tb, newClient(tb, o), hub)
	return hub, p
}

// answer answers a request, piggybacked.
func (p *peer) answer(m msg, code byte, opts ...opt) {
	p.tb.Helper()
	p.send(msg{ack, code, m.mid, m.token, opts, nil}.bytes())
}

// TestPost: a Record goes out as the field expects it.
func TestPost(t *testing.T) {
	t.Parallel()
	hub, p := dial(t, coap.ClientOptions{})
	north := hub.Link()
	token := north.Send(hello, mtp.Hint{})
	m := p.next()
	want := []opt{{optPath, "usp"}, {optPath, "controller"}, {optFormat, "\x2a"}}
	if m.typ != con || m.code != codePost || !slices.Equal(m.opts[:3], want) || !bytes.Equal(m.payload, hello) {
		t.Fatalf("request: got %v, want a CON POST [R-COAP.2, R-COAP.6]", m)
	}
	if q, _ := m.get(optQuery); !strings.HasPrefix(q, "reply-to=coap://"+p.to.String()+"/usp/") {
		t.Fatalf("query: got %q, want a reply-to at %v [R-COAP.2]", q, p.to)
	}
	p.answer(m, code204)
	if got := north.Settlement(); got != (mtptest.Settlement{Token: token}) {
		t.Fatalf("Settled: got %v, want %d", got, token)
	}
}

// TestOldMessageID: a peer that has seen the Message ID before, from a process
// that has died since, answers as it did then. The Record goes out again at once,
// with another one, and not for ever.
func TestOldMessageID(t *testing.T) {
	t.Parallel()
	hub, p := dial(t, coap.ClientOptions{LinkOptions: coap.LinkOptions{AckTimeout: time.Minute}})
	north := hub.Link()
	token := north.Send(hello, mtp.Hint{})
	seen, m := make(map[uint16]bool), msg{}
	for range 1 + 4 { // MaxRetransmit
		m = p.next()
		if seen[m.mid] || !bytes.Equal(m.payload, hello) {
			t.Fatalf("request: got %v, want the Record with a Message ID beside %v", m, seen)
		}
		seen[m.mid] = true
		p.send(msg{ack, code204, m.mid, "old", nil, nil}.bytes())
	}
	if more, ok := p.within(100 * time.Millisecond); ok {
		t.Errorf("got %v after as many repetitions as there may be", more)
	}
	p.answer(m, code204)
	if got := north.Settlement(); got != (mtptest.Settlement{Token: token}) {
		t.Errorf("Settled: got %v, want %d", got, token)
	}
}

// TestAnswers: what the peer answers is what the router hears [R-COAP.9,
// R-COAP.10].
func TestAnswers(t *testing.T) {
	t.Parallel()
	hub, p := dial(t, coap.ClientOptions{})
	north := hub.Link()
	for code, want := range map[byte]error{
		code204: nil, 0x41: nil, code400: mtp.ErrMalformed, code402: mtp.ErrForbidden, code403: mtp.ErrForbidden,
		code404: mtp.ErrUnroutable, code405: mtp.ErrUnroutable, code415: mtp.ErrUnroutable, code413: mtp.ErrTooLarge,
		0x9d: mtp.ErrBusy, 0xa0: mtp.ErrBusy, code503: mtp.ErrBusy, code231: mtp.ErrBusy,
	} {
		north.Send(hello, mtp.Hint{})
		p.answer(p.next(), code)
		if got := north.Settlement().Err; !errors.Is(got, want) {
			t.Fatalf("outcome of %d.%02d: got %v, want %v", code>>5, code&31, got, want)
		}
	}
	north.Send(hello, mtp.Hint{})
	m := p.next()
	p.send(msg{typ: rst, mid: m.mid}.bytes())
	if got := north.Settlement().Err; !errors.Is(got, mtp.ErrBusy) {
		t.Fatalf("outcome of an RST: got %v, want %v", got, mtp.ErrBusy)
	}
}

// TestSeparateResponse: after an empty ACK the outcome comes in a message of
// its own; meanwhile the next Record goes out [RFC 7252 4.7, 5.2.2].
func TestSeparateResponse(t *testing.T) {
	t.Parallel()
	o := coap.LinkOptions{Pipeline: 2, ResponseTimeout: 300 * time.Millisecond}
	hub, p := dial(t, coap.ClientOptions{LinkOptions: o})
	north := hub.Link()
	for range 3 {
		north.Send(hello, mtp.Hint{})
	}
	first := p.next()
	p.send(msg{typ: ack, mid: first.mid}.bytes())
	second := p.next()
	p.send(msg{typ: ack, mid: second.mid}.bytes())
	if m, ok := p.within(50 * time.Millisecond); ok { // Pipeline
		t.Fatalf("third request: got %v, want none yet", m)
	}
	p.send(msg{con, code204, 7, second.token, nil, nil}.bytes())
	if m := p.next(); m.typ != ack || m.mid != 7 {
		t.Fatalf("got %v, want an ACK of the response", m)
	}
	third := p.next()
	p.answer(third, code204)
	p.send(msg{non, code403, 8, first.token, nil, nil}.bytes())
	for i, want := range []error{mtp.ErrForbidden, nil, nil} { // in the order of Enqueue
		if got := north.Settlement(); got.Token != mtp.Token(i+1) || !errors.Is(got.Err, want) {
			t.Fatalf("Settled: got %v, want %d %v", got, i+1, want)
		}
	}
	north.Send(hello, mtp.Hint{})
	p.send(msg{typ: ack, mid: p.next().mid}.bytes())
	if got := north.Settlement().Err; !errors.Is(got, mtp.ErrBusy) {
		t.Fatalf("without response: got %v, want %v", got, mtp.ErrBusy)
	}
}

// TestBlocks: the peer may have smaller blocks, and may have the body again
// [RFC 7959 2.9].
func TestBlocks(t *testing.T) {
	t.Parallel()
	record := mtptest.Record(mtptest.Agent, mtptest.Controller, "in blocks", 200)
	hub, p := dial(t, coap.ClientOptions{LinkOptions: coap.LinkOptions{BlockSize: 128}})
	north := hub.Link()

	// receive takes a body; the answer to its first block is opts.
	receive := func(szx int) (body []byte, last msg) {
		for num := 0; ; num++ {
			m := p.next()
			more := len(body)+16<<szx < len(record)
			want := blockOpt(num, more, szx)
			if got, _ := m.get(optBlock1); got != want.value || num == 0 != (len(m.opts) == 6) {
				t.Fatalf("block %d: got %v, want %v and Size1 with the first", num, m, want)
			}
			if body = append(body, m.payload...); !more {
				return body, m
			}
			p.answer(m, code231, want)
		}
	}
	north.Send(record, mtp.Hint{})
	body, last := receive(3)
	p.answer(last, code204, blockOpt(1, false, 3))
	if err := north.Settlement().Err; err != nil || !bytes.Equal(body, record) {
		t.Fatalf("body: got %q %v, want %q", body, err, record)
	}

	north.Send(record, mtp.Hint{}) // too large for one, then lost, then taken
	p.answer(p.next(), code413, blockOpt(0, true, 1))
	_, last = receive(1)
	p.answer(last, code408)
	body, last = receive(1)
	p.answer(last, code204)
	if err := north.Settlement().Err; err != nil || !bytes.Equal(body, record) {
		t.Fatalf("body in smaller blocks: got %q %v, want %q", body, err, record)
	}

	north.Send(record, mtp.Hint{}) // smaller from the second one on
	first := p.next()
	p.answer(first, code231, blockOpt(0, true, 2))
	body = first.payload
	for num := 2; len(body) < len(record); num++ {
		m := p.next()
		want := blockOpt(num, num < 3, 2)
		if got, _ := m.get(optBlock1); got != want.value {
			t.Fatalf("block %d: got %v, want %v", num, m, want)
		}
		body = append(body, m.payload...)
		p.answer(m, map[bool]byte{true: code231, false: code204}[num < 3], want)
	}
	if err := north.Settlement().Err; err != nil || !bytes.Equal(body, record) {
		t.Fatalf("body in two sizes: got %q %v, want %q", body, err, record)
	}

	north.Send(record, mtp.Hint{}) // lost again and again
	for range 4 {
		p.answer(p.next(), code408)
	}
	if err := north.Settlement().Err; !errors.Is(err, mtp.ErrBusy) {
		t.Fatalf("outcome: got %v, want %v", err, mtp.ErrBusy)
	}
}

// TestUnreachable: a peer that acknowledges nothing takes its Link down, and
// the router has its Records back in order [R-COAP.9].
func TestUnreachable(t *testing.T) {
	t.Parallel()
	o := coap.LinkOptions{AckTimeout: 10 * time.Millisecond, MaxRetransmit: 2}
	hub, p := dial(t, coap.ClientOptions{LinkOptions: o})
	north := hub.Link()
	for range 3 {
		north.Send(hello, mtp.Hint{})
	}
	first := p.next()
	for range 2 { // MaxRetransmit
		if m := p.next(); m.String() != first.String() {
			t.Fatalf("repetition: got %v, want %v", m, first)
		}
	}
	if err := north.WaitDown(); err == nil {
		t.Fatal("cause: got nil, want an error")
	}
	for i := range 3 {
		if got := north.Settlement(); got.Token != mtp.Token(i+1) || !errors.Is(got.Err, mtp.ErrLinkDown) {
			t.Fatalf("Settled: got %v, want %d %v", got, i+1, mtp.ErrLinkDown)
		}
	}
	north = hub.Link() // and up again
	north.Send(hello, mtp.Hint{})
	p.answer(p.next(), code204)
	if got := north.Settlement().Err; got != nil {
		t.Fatalf("Settled: got %v, want nil", got)
	}
}

// TestRoundTrip: a peer that answers fast is sent to again sooner than one of
// which nothing is known, and given up no sooner.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	o := coap.LinkOptions{AckTimeout: 400 * time.Millisecond, MinAckTimeout: 10 * time.Millisecond, MaxRetransmit: 1}
	hub, p := dial(t, coap.ClientOptions{LinkOptions: o})
	north := hub.Link()
	for range 3 {
		north.Send(hello, mtp.Hint{})
		p.answer(p.next(), code204)
		north.Settlement()
	}
	north.Send(hello, mtp.Hint{})
	begin, sent := time.Now(), 0
	for time.Since(begin) < o.AckTimeout {
		if _, ok := p.within(o.AckTimeout); ok {
			sent++
		}
	}
	if sent < 3 || north.IsDown() {
		t.Fatalf("got %d datagrams within AckTimeout and down %t, want more and not down", sent, north.IsDown())
	}
	if err := north.WaitDown(); err == nil || time.Since(begin) < 3*o.AckTimeout {
		t.Fatalf("cause: got %v after %v, want an error after %v", err, time.Since(begin), 3*o.AckTimeout)
	}
}

// TestShared: of the destinations of a shared Link one that is dead costs the
// others nothing, and gets ErrBusy.
func TestShared(t *testing.T) {
	t.Parallel()
	o := coap.LinkOptions{AckTimeout: 30 * time.Millisecond, MaxRetransmit: 1, QueueRecords: 8}
	hub, well := dial(t, coap.ClientOptions{LinkOptions: o, Shared: true})
	dead := newPeer(t, "")
	north := hub.Link()
	there := mtp.Hint{Destination: dead.replyTo()}
	for range 2 {
		north.Send(hello, there)
	}
	if _, err := north.Enqueue(hello, there); !errors.Is(err, mtp.ErrFull) { // a quarter of the queue
		t.Fatalf("Enqueue: got %v, want %v", err, mtp.ErrFull)
	}
	token := north.Send(hello, mtp.Hint{})
	well.answer(well.next(), code204)
	if got := north.Settlement(); got != (mtptest.Settlement{Token: token}) {
		t.Fatalf("Settled: got %v, want %d", got, token)
	}
	for range 2 {
		if got := north.Settlement().Err; !errors.Is(got, mtp.ErrBusy) {
			t.Fatalf("Settled: got %v, want %v", got, mtp.ErrBusy)
		}
	}
	if north.IsDown() {
		t.Fatal("the shared Link went down")
	}
	for _, bad := range []string{"http://127.0.0.1/", "coaps://127.0.0.1/usp", "coap://", "coap://127.0.0.1/a?b"} {
		north.Send(hello, mtp.Hint{Destination: bad})
		if got := north.Settlement().Err; !errors.Is(got, mtp.ErrUnroutable) {
			t.Fatalf("destination %q: got %v, want %v", bad, got, mtp.ErrUnroutable)
		}
	}
	// An Endpoint behind it is reached where it says.
	agent := newPeer(t, well.to.String())
	agent.want(agent.post(mtptest.Record(mtptest.Agent, mtptest.Controller, "up", 0)), code204)
	north.Next()
	if got := north.Bound()[usp.Address{ID: mtptest.Agent, Role: usp.RoleController}]; got.Destination != agent.replyTo() {
		t.Fatalf("bound: got %v, want %s", got, agent.replyTo())
	}
}

// TestServerShared: a Server can have a Link to whomever a route names.
func TestServerShared(t *testing.T) {
	t.Parallel()
	hub, p, _ := serve(t, coap.ServerOptions{Shared: true})
	trunk := hub.Link()
	if !trunk.Peer.Shared {
		t.Fatalf("Peer: got %+v, want Shared", trunk.Peer)
	}
	p.to = nil
	trunk.Send(hello, mtp.Hint{Destination: p.replyTo()})
	p.answer(p.next(), code204)
	if got := trunk.Settlement().Err; got != nil {
		t.Fatalf("Settled: got %v, want nil", got)
	}
}

// TestName: a URL may have a name, which is told to the peer.
func TestName(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "")
	_, port, _ := strings.Cut(p.conn.LocalAddr().String(), ":")
	o := coap.ClientOptions{URL: "coap://localhost:" + port + "/usp", Endpoint: mtptest.Agent}
	hub := mtptest.NewRecorder(t)
	mtptest.Start(t, newClient(t, o), hub)
	hub.Link().Send(hello, mtp.Hint{})
	m := p.next()
	if got, _ := m.get(3); got != "localhost" {
		t.Fatalf("Uri-Host: got %v, want localhost", m)
	}
	p.answer(m, code204)
}

// TestStrangers: only the peer's Records are taken from a client's socket.
func TestStrangers(t *testing.T) {
	t.Parallel()
	hub, p := dial(t, coap.ClientOptions{})
	north := hub.Link()
	north.Send(hello, mtp.Hint{})
	p.answer(p.next(), code204)
	down := mtptest.Record(mtptest.Controller, mtptest.Agent, "down", 0)
	p.want(p.post(down), code204)
	if got := north.Next(); !bytes.Equal(got.Record.Bytes(), down) {
		t.Fatalf("Record: got %q, want %q", got.Record.Bytes(), down)
	}
	p.want(p.post(mtptest.Record("self::other", mtptest.Agent, "down", 0)), code403)

	hub, p = dial(t, coap.ClientOptions{LinkOptions: coap.LinkOptions{Patterns: []string{"self::o*"}}})
	hub.Link().Send(hello, mtp.Hint{})
	p.answer(p.next(), code204)
	for id, code := range map[usp.EndpointID]byte{
		"self::other": code204, mtptest.Controller: code204, "self::stranger": code403,
	} {
		p.want(p.post(mtptest.Record(id, mtptest.Agent, "down", 0)), code)
	}
}

func TestClientOptions(t *testing.T) {
	t.Parallel()
	for _, o := range []coap.ClientOptions{
		{},
		{URL: "http://127.0.0.1/"},
		{URL: "coap://127.0.0.1/a?b=c"},
		{URL: "coap://u@127.0.0.1/"},
		{URL: "coap://127.0.0.1:0/"},
		{URL: "coap://127.0.0.1:99999/"},
		{URL: "coap://127.0.0.1/#f"},
		{URL: "coap://127.0.0.1/usp", Shared: true, Endpoint: mtptest.Agent},
		{URL: "coap://127.0.0.1/usp", LinkOptions: coap.LinkOptions{BlockSize: 100}},
		{URL: "coap://127.0.0.1/usp", LinkOptions: coap.LinkOptions{MaxDatagram: 1024}},
		{URL: "coap://127.0.0.1/usp", LinkOptions: coap.LinkOptions{Path: "a//b"}},
		{URL: "coap://127.0.0.1/usp", LinkOptions: coap.LinkOptions{Advertise: "a/b"}},
		{URL: "coap://127.0.0.1/usp", LinkOptions: coap.LinkOptions{Advertise: "host:0"}},
	} {
		if _, err := coap.NewClient(o); err == nil {
			t.Errorf("NewClient(%+v): got nil, want an error", o)
		}
	}
}
