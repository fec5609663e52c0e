// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package coap_test

import (
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp/coap"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/routing/routetest"
	"github.com/uspgate/uspgate/usp"
)

func fullRouter(t *testing.T, o coap.LinkOptions) (*routetest.Full, *peer) {
	t.Helper()
	r := routetest.New(t, usp.Address{ID: mtptest.Controller, Role: usp.RoleController})
	o.Metrics, o.CloseTimeout = r.Metrics, 100*time.Millisecond
	s := newServer(t, coap.ServerOptions{LinkOptions: o, Role: usp.RoleAgent})
	return r, newPeer(t, mtptest.Start(t, s, r).Transport.Addr())
}

// wantUnavailable fails the test unless m is a 5.03 that says when to come again
// [RFC 7252 5.9.3.4].
func wantUnavailable(t *testing.T, m msg) {
	t.Helper()
	if age, ok := m.get(optMaxAge); m.code != code503 || !ok || age != "\x1e" {
		t.Fatalf("answer: got %v with Max-Age %q, want 5.03 with 30 s", m, age)
	}
}

// TestHeldThenUnavailable: a short hold ends before the empty ACK is due, a longer
// one in a separate response.
func TestHeldThenUnavailable(t *testing.T) {
	t.Parallel()
	r, p := fullRouter(t, coap.LinkOptions{MaxHold: time.Millisecond, AckDelay: 10 * time.Second})
	m := p.post(hello)
	wantUnavailable(t, p.want(m, code503))
	wantUnavailable(t, p.want(m, code503)) // repeated, which is no second Record
	r.Want("uspgate_held_total late", 1)
	r.Room()
	if m = p.post(hello); p.want(m, code204).mid != m.mid {
		t.Error("a new request is not answered")
	}

	const hold = 300 * time.Millisecond
	r, p = fullRouter(t, coap.LinkOptions{MaxHold: hold, AckDelay: 10 * time.Millisecond})
	m, begin := p.post(hello), time.Now()
	p.want(msg{m.typ, m.code, m.mid, "", m.opts, m.payload}, codeEmpty)
	got := p.next()
	if took := time.Since(begin); got.typ != con || got.token != "" || took < hold {
		t.Fatalf("answer after %v: got %v, want a separate response after %v", took, got, hold)
	}
	wantUnavailable(t, got)
	p.send(msg{typ: ack, mid: got.mid}.bytes())
	r.Want("uspgate_records_total in coap busy", 1)
}

// TestHeldThenChanged: there is room in time.
func TestHeldThenChanged(t *testing.T) {
	t.Parallel()
	r, p := fullRouter(t, coap.LinkOptions{MaxHold: time.Minute, AckDelay: 10 * time.Millisecond})
	m := p.post(hello)
	p.want(msg{m.typ, m.code, m.mid, "", m.opts, m.payload}, codeEmpty)
	r.Want("uspgate_held_records", 1)
	r.Room()
	got := p.next()
	p.send(msg{typ: ack, mid: got.mid}.bytes())
	if got.typ != con || got.code != code204 {
		t.Fatalf("answer: got %v, want a separate 2.04", got)
	}
	if got := r.Room(); got != "hello" {
		t.Errorf("got %q in the buffer, want hello", got)
	}
}
