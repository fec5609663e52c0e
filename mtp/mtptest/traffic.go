// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mtptest

import (
	"errors"
	"strconv"
	"testing"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// orderingRecords is how many Records testOrdering sends each way.
const orderingRecords = 10_000

func testEcho(t *testing.T, s Suite) {
	t.Helper()
	p := s.pair(t, Options{})
	up := Record(Agent, Controller, "up", 0)
	token := p.north.Send(up, s.hint(Controller))
	wantRecord(t, p.south.Next(), up)
	wantSettled(t, p.north, token)

	down := Record(Controller, Agent, "down", 0)
	token = p.south.Send(down, s.hint(Agent))
	wantRecord(t, p.north.Next(), down)
	wantSettled(t, p.south, token)
}

func testOrdering(t *testing.T, s Suite) {
	t.Helper()
	p := s.pair(t, Options{})
	go func() { // owned by the test: it ends with the last Record, which is waited for
		for i := range orderingRecords {
			p.north.Send(Record(Agent, Controller, strconv.Itoa(i), 0), s.hint(Controller))
		}
	}()
	go func() {
		for i := range orderingRecords {
			p.south.Send(Record(Controller, Agent, strconv.Itoa(i), 0), s.hint(Agent))
		}
	}()
	for i := range orderingRecords {
		wantRecord(t, p.south.Next(), Record(Agent, Controller, strconv.Itoa(i), 0))
		wantRecord(t, p.north.Next(), Record(Controller, Agent, strconv.Itoa(i), 0))
	}
	for i := range orderingRecords {
		wantSettled(t, p.north, mtp.Token(i+1))
		wantSettled(t, p.south, mtp.Token(i+1))
	}
}

// testConnectRecord: every MTP that has Connect Records makes its own type
// [R-MTP.6].
func testConnectRecord(t *testing.T, s Suite) {
	t.Helper()
	p := s.pair(t, Options{})
	for _, port := range []*Port{p.south, p.north} {
		c, ok := port.Link.(mtp.Connector)
		if !ok {
			t.Fatalf("%T: got no mtp.Connector, want one", port.Link)
		}
		rec := c.ConnectRecord(Agent, Controller)
		h := rec.Header()
		if !h.Type.IsConnect() || h.From != Agent || h.To != Controller {
			t.Fatalf("ConnectRecord: got %v from %s to %s, want a Connect Record from %s to %s",
				h.Type, h.From, h.To, Agent, Controller)
		}
		if again, err := usp.NewRecord(rec.Bytes()); err != nil || again.Header().Type != h.Type {
			t.Fatalf("ConnectRecord does not parse: got %v, want nil", err)
		}
	}
}

func testSizeLimit(t *testing.T, s Suite) {
	t.Helper()
	const limit = 100_000
	p := s.pair(t, Options{MaxRecord: limit})
	fits := Record(Agent, Controller, "fits", limit)
	p.north.Send(fits, s.hint(Controller))
	wantRecord(t, p.south.Next(), fits)

	p.north.Send(Record(Agent, Controller, "one too many", limit+1), s.hint(Controller))
	if s.Endless {
		after := Record(Agent, Controller, "after", 0)
		p.north.Send(after, s.hint(Controller))
		wantRecord(t, p.south.Next(), after)
		return
	}
	if err := p.south.WaitDown(); !errors.Is(err, mtp.ErrTooLarge) {
		t.Fatalf("cause: got %v, want %v", err, mtp.ErrTooLarge)
	}
}

// testAckOrder acknowledges in reverse; where the protocol wants an order the
// Link restores it, so that the sender sees that of its Enqueue.
func testAckOrder(t *testing.T, s Suite) {
	t.Helper()
	const records = 8
	p := &pair{suite: s, hub: NewRecorder(t), peer: NewRecorder(t)}
	p.hub.Hold, p.hub.Window = true, records
	p.connect(t, Options{})
	tokens := make([]mtp.Token, records)
	for i := range tokens {
		tokens[i] = p.north.Send(Record(Agent, Controller, strconv.Itoa(i), 0), s.hint(Controller))
	}
	for i := range tokens {
		wantRecord(t, p.south.Next(), Record(Agent, Controller, strconv.Itoa(i), 0))
	}
	p.south.releaseNewest(records)
	for _, token := range tokens {
		wantSettled(t, p.north, token)
	}
}

// testWindow: while the router's window is full the Link blocks in Accept and
// costs its neighbours nothing.
func testWindow(t *testing.T, s Suite) {
	t.Helper()
	const records = 50
	p := &pair{suite: s, hub: NewRecorder(t), peer: NewRecorder(t)}
	p.hub.Hold, p.hub.Window = true, 1
	p.connect(t, Options{})
	for i := range records {
		p.north.Send(Record(Agent, Controller, strconv.Itoa(i), 0), s.hint(Controller))
	}
	wantRecord(t, p.south.Next(), Record(Agent, Controller, "0", 0))

	peer := NewRecorder(t)
	s.dial(t, p.server, Options{Endpoint: Neighbour}, peer)
	other, north := p.hub.Link(), peer.Link()
	hello := Record(Neighbour, Controller, "hello", 0)
	north.Send(hello, s.hint(Controller))
	wantRecord(t, other.Next(), hello)
	other.Release(1, nil)

	for i := 1; i < records; i++ {
		p.south.Release(1, nil)
		wantRecord(t, p.south.Next(), Record(Agent, Controller, strconv.Itoa(i), 0))
	}
	p.south.Release(records, nil)
}

// testForbidden: a Record that the router forbids harms nobody but its sender.
func testForbidden(t *testing.T, s Suite) {
	t.Helper()
	p := s.pair(t, Options{})
	peer := NewRecorder(t)
	s.dial(t, p.server, Options{Endpoint: Neighbour}, peer)
	other, north := p.hub.Link(), peer.Link()

	p.south.RefuseRecords(func(usp.Record) error { return mtp.ErrForbidden })
	forged := Record(Neighbour, Controller, "forged", 0)
	p.north.Send(forged, s.hint(Controller))
	wantRecord(t, p.south.Next(), forged)

	hello := Record(Neighbour, Controller, "hello", 0)
	north.Send(hello, s.hint(Controller))
	wantRecord(t, other.Next(), hello)
	if other.IsDown() {
		t.Fatal("the neighbour's Link went down")
	}
}
