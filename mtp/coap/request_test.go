// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package coap_test

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/coap"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/usp"
)

var hello = mtptest.Record(mtptest.Agent, mtptest.Controller, "hello", 0)

// serve starts a Server and returns a peer of it.
func serve(tb testing.TB, o coap.ServerOptions) (*mtptest.Recorder, *peer, string) {
	tb.Helper()
	hub := mtptest.NewRecorder(tb)
	o.Role = usp.RoleAgent
	if o.CloseTimeout == 0 {
		o.CloseTimeout = 100 * time.Millisecond
	}
	r := mtptest.Start(tb, newServer(tb, o), hub)
	return hub, newPeer(tb, r.Transport.Addr()), r.Transport.Addr()
}

func TestRequests(t *testing.T) {
	t.Parallel()
	without := func(id int) func(*msg) {
		return func(m *msg) { m.opts = slices.DeleteFunc(m.opts, func(o opt) bool { return o.id == id }) }
	}
	set := func(id int, v string) func(*msg) {
		return func(m *msg) {
			m.opts = append(slices.DeleteFunc(m.opts, func(o opt) bool { return o.id == id }), opt{id, v})
			slices.SortStableFunc(m.opts, func(a, b opt) int { return a.id - b.id })
		}
	}
	tests := []struct {
		name   string
		change func(*msg)
		code   byte
	}{
		{"R-COAP.2, R-COAP.7: a Record", func(*msg) {}, code204},
		{"R-COAP.5: a Record in one block", set(optBlock1, "\x06"), code204},
		{"R-COAP.11: GET", func(m *msg) { m.code = codeGet }, code405},
		{"R-COAP.11: PUT", func(m *msg) { m.code = codePut }, code405},
		{"R-COAP.11: method 0.31", func(m *msg) { m.code = 0x1f }, code405},
		{"R-COAP.12: JSON", set(optFormat, "\x32"), code415},
		{"R-COAP.12: no Content-Format", without(optFormat), code415},
		{"R-COAP.13: not a Record", func(m *msg) { m.payload = []byte{0xff, 0xff} }, code400},
		{"R-COAP.13: empty", func(m *msg) { m.payload = nil }, code400},
		{"R-COAP.2: no reply-to", without(optQuery), code400},
		{"R-COAP.2: no URI", set(optQuery, "reply-to=here"), code400},
		{"R-COAP.2: a query in reply-to", set(optQuery, "reply-to=coap://127.0.0.1/usp?a=b"), code400},
		{"R-COAP.2: another scheme", set(optQuery, "reply-to=http://127.0.0.1/usp"), code400},
		{"reply-to at another host", set(optQuery, "reply-to=coap://192.0.2.1/usp"), code400},
		{"reply-to at a name", set(optQuery, "reply-to=coap://localhost/usp"), code400},
		{"reply-to coaps on coap", set(optQuery, "reply-to=coaps://127.0.0.1/usp"), code400},
		{"R-COAP.1: another path", set(optPath, "other"), code404},
		{"R-COAP.1: no path", without(optPath), code404},
		{"an Endpoint's resource that is not to_id's", func(m *msg) {
			m.opts = slices.Insert(m.opts, 1, opt{optPath, "aaaaaaaaaaaaaaaa"})
		}, code404},
		{"RFC 7252 5.4.1: a critical option", set(2049, "x"), code402},
		{"RFC 7252 5.4.1: an elective option", set(2050, "x"), code204},
		{"RFC 7252 5.7.2: a proxy", set(optProxyURI, "coap://192.0.2.1/"), code505},
		{"RFC 7959 2.2: the reserved block size", set(optBlock1, "\x07"), code400},
		{"RFC 7959 2.9.2: a block without those before", set(optBlock1, "\x16"), code408},
		{"RFC 7959 2.9.3: too large by its Size1", func(m *msg) {
			m.opts = append(m.opts, blockOpt(0, true, 0), opt{optSize1, "\x7f\xff\xff\xff"})
			m.payload = m.payload[:16]
		}, code413},
		{"RFC 7959 2.9: a short block", func(m *msg) {
			m.opts = append(m.opts, blockOpt(0, true, 6))
		}, code400},
	}
	hub, p, _ := serve(t, coap.ServerOptions{})
	for _, tt := range tests {
		m := p.post(hello)
		tt.change(&m)
		t.Run(tt.name, func(t *testing.T) {
			p.tb = t
			p.want(m, tt.code)
		})
	}
	p.tb = t
	p.want(p.post(hello), code204) // none of it has ended anything
	if hub.Link().IsDown() || hub.Links() != 0 {
		t.Fatalf("Links: got another one, want one")
	}
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	hub, p, _ := serve(t, coap.ServerOptions{})
	p.want(p.post(hello), code204)
	south := hub.Link()
	for err, code := range map[error]byte{
		mtp.ErrMalformed: code400, mtp.ErrForbidden: code403, mtp.ErrUnroutable: code404,
		mtp.ErrTooLarge: code413, mtp.ErrBusy: code503, mtp.ErrLinkDown: code503,
	} {
		south.RefuseRecords(func(usp.Record) error { return err })
		got := p.want(p.post(hello), code)
		if _, ok := got.get(optMaxAge); ok != (code == code503) {
			t.Fatalf("Max-Age for %v: got %t, want %t", err, ok, code == code503)
		}
	}
}

// TestDiscovery: the resource is found as CoAP resources are [R-COAP.1].
func TestDiscovery(t *testing.T) {
	t.Parallel()
	_, p, _ := serve(t, coap.ServerOptions{})
	link := `</usp>;rt="bbf.usp.endpoint";if="bbf.usp.c"`
	for query, want := range map[string]string{
		"": link, "rt=bbf.usp.endpoint": link, "rt=bbf.*": link, "if=bbf.usp.a": "", "rt=core.s": "", "href=/usp": link,
	} {
		p.mid++
		m := msg{con, codeGet, p.mid, "t", []opt{{optPath, ".well-known"}, {optPath, "core"}}, nil}
		if query != "" {
			m.opts = append(m.opts, opt{optQuery, query})
		}
		got := p.want(m, code205)
		if format, _ := got.get(optFormat); string(got.payload) != want || want != "" && format != "\x28" {
			t.Fatalf("core?%s: got %v, want %q", query, got, want)
		}
		m.mid, m.code = m.mid+100, codePost
		p.want(m, code405)
	}
}

// TestOwnResource: the reply-to that a peer gets for an Endpoint is a resource
// of ours that takes Records for that Endpoint [R-COAP.2a].
func TestOwnResource(t *testing.T) {
	t.Parallel()
	hub, p, addr := serve(t, coap.ServerOptions{})
	p.want(p.post(hello), code204)
	south := hub.Link()
	south.Next()
	south.Send(mtptest.Record(mtptest.Controller, mtptest.Agent, "down", 0), mtp.Hint{})
	request := p.next()
	query, _ := request.get(optQuery)
	resource, ok := strings.CutPrefix(query, "reply-to=coap://"+addr+"/usp/")
	if !ok || len(resource) != 16 || strings.Contains(query, string(mtptest.Controller)) {
		t.Fatalf("reply-to: got %q, want a resource at %s", query, addr)
	}
	p.send(msg{typ: ack, code: code204, mid: request.mid, token: request.token}.bytes())
	m := p.post(hello)
	m.opts = slices.Insert(m.opts, 1, opt{optPath, resource})
	p.want(m, code204)
	if got := south.Next(); !bytes.Equal(got.Record.Bytes(), hello) {
		t.Fatalf("Record: got %q, want %q", got.Record.Bytes(), hello)
	}
}

// TestReplyTo: where the Endpoint wants its Records becomes the default of its
// Link, and follows its latest Record.
func TestReplyTo(t *testing.T) {
	t.Parallel()
	hub, p, addr := serve(t, coap.ServerOptions{})
	p.want(p.post(hello), code204)
	south := hub.Link()
	endpoint := usp.Address{ID: mtptest.Agent, Role: usp.RoleAgent}
	if got, want := south.Next().Hint.ReplyTo, p.replyTo(); got != want ||
		south.Bound()[endpoint].Destination != want {
		t.Fatalf("reply-to: got %q and bound %v, want %q", got, south.Bound(), want)
	}
	again := newPeer(t, addr) // the same Endpoint at another port
	again.want(again.post(hello), code204)
	if got, want := south.Next().Hint.ReplyTo, again.replyTo(); got != want ||
		south.Bound()[endpoint].Destination != want {
		t.Fatalf("reply-to: got %q and bound %v, want %q", got, south.Bound(), want)
	}
	south.Send(mtptest.Record(mtptest.Controller, mtptest.Agent, "down", 0), mtp.Hint{})
	m := again.next()
	again.send(msg{typ: ack, code: code204, mid: m.mid, token: m.token}.bytes())
	if m.code != codePost {
		t.Fatalf("got %v, want a POST", m)
	}
	// The answer to an earlier request goes where that one has said.
	south.Send(mtptest.Record(mtptest.Controller, mtptest.Agent, "answer", 0), mtp.Hint{Destination: p.replyTo()})
	m = p.next()
	if path, _ := m.get(optPath); m.code != codePost || path != "peer" {
		t.Fatalf("got %v, want a POST to /peer", m)
	}
	if hub.Links() != 0 {
		t.Fatal("Links: got another one, want one per Endpoint")
	}
}

func TestReplyToOptions(t *testing.T) {
	t.Parallel()
	allowed := coap.LinkOptions{ReplyTo: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
	tests := []struct {
		name  string
		o     coap.LinkOptions
		query string // "": none
		want  string // "": refused; %s is the peer's address
	}{
		{"network", allowed, "coap://192.0.2.7:1/x", "coap://192.0.2.7:1/x"},
		{"other network", allowed, "coap://198.51.100.7:1/x", ""},
		{"source", coap.LinkOptions{ReplyToSource: true}, "coap://10.0.0.1:5683/a/b", "coap://%s/a/b"},
		{"optional", coap.LinkOptions{ReplyToOptional: true}, "", "coap://%s/usp"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			hub, p, _ := serve(t, coap.ServerOptions{LinkOptions: tt.o})
			m := p.post(hello)
			m.opts = slices.DeleteFunc(m.opts, func(o opt) bool { return o.id == optQuery })
			if tt.query != "" {
				m.opts = append(m.opts, opt{optQuery, "reply-to=" + tt.query})
			}
			if tt.want == "" {
				p.want(m, code400)
				return
			}
			p.want(m, code204)
			want := strings.ReplaceAll(tt.want, "%s", p.conn.LocalAddr().String())
			if got := hub.Link().Next().Hint.ReplyTo; got != want {
				t.Fatalf("reply-to: got %q, want %q", got, want)
			}
		})
	}
}

// TestSeparate: an outcome that takes its time becomes a separate response,
// which is repeated until it is acknowledged [RFC 7252 5.2.2].
func TestSeparate(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	hub.Hold, hub.Window = true, 8
	o := coap.LinkOptions{AckDelay: 20 * time.Millisecond, AckTimeout: 30 * time.Millisecond}
	server := mtptest.Start(t, newServer(t, coap.ServerOptions{LinkOptions: o}), hub)
	p := newPeer(t, server.Transport.Addr())
	m := p.post(hello)
	p.want(msg{m.typ, m.code, m.mid, "", m.opts, m.payload}, codeEmpty)
	again := p.roundTrip(msg{m.typ, m.code, m.mid, "", m.opts, m.payload})
	if again.typ != ack || again.code != codeEmpty {
		t.Fatalf("repetition: got %v, want an empty ACK", again)
	}
	hub.Link().Release(1, nil)
	first := p.next()
	second := p.next()
	if first.typ != con || first.code != code204 || second.String() != first.String() {
		t.Fatalf("separate response: got %v and %v, want a 2.04 twice", first, second)
	}
	p.send(msg{typ: ack, mid: first.mid}.bytes())
	deadline := time.Now().Add(mtptest.Timeout)
	for quiet := false; !quiet; {
		if time.Now().After(deadline) {
			t.Fatal("the response is repeated after its ACK")
		}
		_, some := p.within(200 * time.Millisecond)
		quiet = !some
	}
}

// TestNonConfirmable: a Record without wish for an ACK gets its answer alike.
func TestNonConfirmable(t *testing.T) {
	t.Parallel()
	_, p, _ := serve(t, coap.ServerOptions{})
	m := p.post(hello)
	m.typ = non
	if got := p.roundTrip(m); got.typ != non || got.code != code204 || got.token != m.token {
		t.Fatalf("answer: got %v, want a NON 2.04", got)
	}
}

// TestRepetition: a repeated datagram is answered alike and delivered once
// [RFC 7252 4.5]; another request with the same Message ID is another request.
func TestRepetition(t *testing.T) {
	t.Parallel()
	hub, p, _ := serve(t, coap.ServerOptions{})
	m := p.post(hello)
	first := p.want(m, code204)
	for range 3 {
		if again := p.want(m, code204); again.String() != first.String() {
			t.Fatalf("answer: got %v, want %v", again, first)
		}
	}
	other := mtptest.Record(mtptest.Agent, mtptest.Controller, "after a boot", 0)
	m.payload = other
	p.want(m, code204)
	south := hub.Link()
	for _, want := range [][]byte{hello, other} {
		if got := south.Next(); !bytes.Equal(got.Record.Bytes(), want) {
			t.Fatalf("Record: got %q, want %q", got.Record.Bytes(), want)
		}
	}
}

// TestMalformed: nothing that is not CoAP ends anything, and what can be
// rejected is [RFC 7252 3, 4.2, 4.3].
func TestMalformed(t *testing.T) {
	t.Parallel()
	hub, p, _ := serve(t, coap.ServerOptions{LinkOptions: coap.LinkOptions{MaxDatagram: 2048}})
	p.want(p.post(hello), code204)
	south := hub.Link()
	resets := map[string][]byte{
		"ping":                      {0x40, 0, 0x10, 1},
		"ping with a token":         {0x41, 0, 0x10, 2, 1},
		"token of 15 bytes":         {0x4f, 2, 0x10, 3},
		"option header 15":          {0x40, 2, 0x10, 4, 0xf0},
		"option beyond the end":     {0x40, 2, 0x10, 5, 0xb9, 'u'},
		"option number over 65,535": append([]byte{0x40, 2, 0x10, 6}, bytes.Repeat([]byte{0xe0, 0xff, 0xff}, 3)...),
		"reserved class":            {0x40, 0x21, 0x10, 7},
		"response to nothing":       {0x41, code204, 0x10, 8, 9},
		"a hundred options":         append([]byte{0x40, 2, 0x10, 9}, bytes.Repeat([]byte{0x10}, 100)...),
	}
	for name, b := range resets {
		p.send(b)
		if got := p.next(); got.typ != rst || got.code != codeEmpty || got.mid != uint16(b[2])<<8|uint16(b[3]) {
			t.Fatalf("%s: got %v, want an RST", name, got)
		}
	}
	for _, b := range [][]byte{
		{},
		{0x40},
		{0x40, 2, 0},
		{0x00, 2, 0x20, 1},
		{0xc0, 2, 0x20, 2},
		{0x50, 0, 0x20, 3},
		{0x60, 0, 0x20, 4},
		{0x70, 0, 0x20, 5},
		{0x60, 2, 0x20, 6},
		{0x61, code204, 0x20, 7, 9},
		{0x51, code204, 0x20, 8, 9},
		{0x5f, 2, 0x20, 9},
	} {
		p.send(b)
	}
	large := p.post(bytes.Repeat([]byte("x"), 3000))
	p.want(large, code413)
	p.want(p.post(hello), code204)
	if south.IsDown() {
		t.Fatal("the Link went down")
	}
}
