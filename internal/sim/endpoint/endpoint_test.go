// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package endpoint_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/uspgate/uspgate/internal/sim/endpoint"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	me   usp.EndpointID = "self::me"
	them usp.EndpointID = "os::ACDE48-1"
)

// carrier is an mtp.Link that takes room Records until they are settled.
type carrier struct {
	room  int
	sent  []string
	hints []mtp.Hint
	owed  []mtp.Token
	acks  []mtp.Token
}

func (c *carrier) Enqueue(rec usp.Record, hint mtp.Hint, t mtp.Token) error {
	if len(c.owed) >= c.room {
		return mtp.ErrFull
	}
	c.owed = append(c.owed, t)
	c.sent = append(c.sent, string(rec.Header().Payload))
	c.hints = append(c.hints, hint)
	return nil
}

func (c *carrier) Ack(t mtp.Token, _ error) { c.acks = append(c.acks, t) }
func (c *carrier) Close(error)              {}

// settle tells the oldest Record's outcome.
func (c *carrier) settle(p mtp.Port, err error) {
	t := c.owed[0]
	c.owed = c.owed[1:]
	p.Settled(t, err)
}

func record(i int) usp.Record { return usp.NewNoSession(me, them, "", fmt.Append(nil, i)) }

func up(t *testing.T, n *endpoint.Node, c *carrier, p mtp.Peer) mtp.Port {
	t.Helper()
	port, err := n.LinkUp(c, p)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func TestSendKeepsOrderAndOutcomes(t *testing.T) {
	t.Parallel()
	n := endpoint.NewNode(endpoint.Options{ID: me, Backlog: 5})
	c := &carrier{room: 2}
	port := up(t, n, c, mtp.Peer{})
	l := n.Links()[0]
	var outcomes []string
	for i := range 9 { // 2 taken, 1 refused, 5 in the backlog, 1 too many
		l.Send(record(i), mtp.Hint{}, func(err error) { outcomes = append(outcomes, fmt.Sprint(i, " ", err)) })
	}
	if want := []string{"8 " + mtp.ErrFull.Error()}; !slices.Equal(outcomes, want) {
		t.Errorf("outcomes: got %q, want %q", outcomes, want)
	}
	c.settle(port, nil)
	c.settle(port, mtp.ErrUnroutable)
	for len(c.owed) > 2 || len(c.sent) < 6 {
		c.settle(port, nil)
	}
	if want := []string{"0", "1", "2", "3", "4", "5"}; !slices.Equal(c.sent, want) {
		t.Errorf("sent: got %q, want %q", c.sent, want)
	}
	for len(c.owed) > 0 { // the carrier settles before Down, and takes nothing more
		c.room = 0
		c.settle(port, mtp.ErrLinkDown)
	}
	port.Down(errors.New("gone"))
	l.Send(record(9), mtp.Hint{}, func(err error) { outcomes = append(outcomes, fmt.Sprint(9, " ", err)) })
	down := " " + mtp.ErrLinkDown.Error()
	want := []string{
		"8 " + mtp.ErrFull.Error(), "0 <nil>", "1 " + mtp.ErrUnroutable.Error(), "2 <nil>", "3 <nil>",
		"4" + down, "5" + down, "6" + down, "7" + down, "9" + down,
	}
	if !slices.Equal(outcomes, want) {
		t.Errorf("outcomes: got %q\nwant %q", outcomes, want)
	}
}

func TestRoute(t *testing.T) {
	t.Parallel()
	n := endpoint.NewNode(endpoint.Options{ID: me})
	if l, _, _ := n.Route(them); l != nil {
		t.Error("got a route without a Link")
	}
	_, _, changed := n.Route(them)
	single, shared := &carrier{}, &carrier{}
	first := up(t, n, single, mtp.Peer{Kind: mtp.WebSocket})
	<-changed
	if l, _, _ := n.Route(them); l == nil || l.Peer().Kind != mtp.WebSocket {
		t.Error("the only Link is not the route")
	}
	second := up(t, n, shared, mtp.Peer{Kind: mtp.MQTT, Shared: true})
	if l, _, _ := n.Route(them); l.Peer().Kind != mtp.MQTT {
		t.Error("of several Links the shared one is not the route")
	}
	if err := first.Bind(usp.Address{ID: them}, mtp.Hint{Destination: "topic"}); err != nil {
		t.Fatal(err)
	}
	if l, hint, _ := n.Route(them); l.Peer().Kind != mtp.WebSocket || hint.Destination != "topic" {
		t.Errorf("after Bind: got %v, %v", l.Peer().Kind, hint)
	}
	n.Learn(them, n.Links()[0], "") // keeps what is known
	if _, hint, _ := n.Route(them); hint.Destination != "topic" {
		t.Errorf("after Learn without destination: got %v", hint)
	}
	n.Learn(them, n.Links()[1], "elsewhere")
	first.Unbind(usp.Address{ID: them}) // is no more the route
	if l, hint, _ := n.Route(them); l.Peer().Kind != mtp.MQTT || hint.Destination != "elsewhere" {
		t.Errorf("after Learn: got %v, %v", l.Peer().Kind, hint)
	}
	second.Down(nil)
	if known, _ := n.Known(them); known || len(n.Links()) != 1 {
		t.Errorf("after Down: known %v, %d Links", known, len(n.Links()))
	}
}

func TestAccept(t *testing.T) {
	t.Parallel()
	var got, dropped []string
	n := endpoint.NewNode(endpoint.Options{
		ID: them,
		Receive: func(_ *endpoint.Link, rec usp.Record, hint mtp.Hint) {
			got = append(got, string(rec.Header().Payload)+" "+hint.ReplyTo)
		},
		Dropped: func(rec usp.Record) { dropped = append(dropped, string(rec.Header().To)) },
	})
	c := &carrier{}
	port := up(t, n, c, mtp.Peer{})
	port.Accept(record(1), mtp.Hint{ReplyTo: "back"}, 7)
	port.Accept(usp.NewWebSocketConnect(me, "os::ACDE48-2"), mtp.Hint{}, 8) // [R-E2E.1]
	if !slices.Equal(got, []string{"1 back"}) || !slices.Equal(dropped, []string{"os::ACDE48-2"}) {
		t.Errorf("got %q, dropped %q", got, dropped)
	}
	if !slices.Equal(c.acks, []mtp.Token{7, 8}) {
		t.Errorf("acknowledged: got %v, want both", c.acks)
	}
}
