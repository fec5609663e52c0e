// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package coap_test

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/coap"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/usp"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	mtptest.Run(t, mtptest.Suite{
		NewServer: func(tb testing.TB, o mtptest.Options) mtp.Transport {
			tb.Helper()
			return greeted{newServer(tb, coap.ServerOptions{
				LinkOptions: linkOptions(o), Listen: o.Listen, Role: usp.RoleAgent,
			})}
		},
		NewClient: func(tb testing.TB, addr string, o mtptest.Options) mtp.Transport {
			tb.Helper()
			return greeting{newClient(tb, coap.ClientOptions{
				LinkOptions: linkOptions(o), URL: "coap://" + addr + "/usp", Endpoint: o.Endpoint,
				Peer: mtptest.Controller, Role: usp.RoleController, Retry: o.Retry, KeepAlive: 50 * time.Millisecond,
			}), o.Endpoint}
		},
		Endless:        true,
		Connectionless: true,
	})
}

// linkOptions have the peer given up soon.
func linkOptions(o mtptest.Options) coap.LinkOptions {
	return coap.LinkOptions{
		MaxRecord: o.MaxRecord, QueueRecords: o.QueueRecords, CloseTimeout: o.CloseTimeout,
		AckTimeout: 200 * time.Millisecond, MaxRetransmit: 3, AckDelay: 20 * time.Millisecond,
	}
}

func newServer(tb testing.TB, o coap.ServerOptions) *coap.Server {
	tb.Helper()
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	s, err := coap.NewServer(o)
	if err != nil {
		tb.Fatalf("NewServer: got %v, want nil", err)
	}
	return s
}

func newClient(tb testing.TB, o coap.ClientOptions) *coap.Client {
	tb.Helper()
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	c, err := coap.NewClient(o)
	if err != nil {
		tb.Fatalf("NewClient: got %v, want nil", err)
	}
	return c
}

// A server knows an Endpoint when that has sent a Record: greeting sends one as
// soon as its Link is up, as the Boot event of an Agent is, and greeted keeps
// it from the suite.
type (
	greeting struct {
		mtp.Transport
		endpoint usp.EndpointID
	}
	greeted struct{ mtp.Transport }
	greeter struct {
		greeting
		mtp.Handler
	}
	greetedTo    struct{ mtp.Handler }
	greetingPort struct {
		mtp.Port
		greet func()
	}
	greetedPort struct {
		mtp.Port
		link mtp.Link
	}
)

const (
	greetingToken = mtp.Token(math.MaxUint64)
	greetingText  = "greeting"
)

func (g greeting) Run(ctx context.Context, h mtp.Handler) error {
	return g.Transport.Run(ctx, greeter{g, h})
}

func (g greeter) LinkUp(l mtp.Link, p mtp.Peer) (mtp.Port, error) {
	port, err := g.Handler.LinkUp(l, p)
	greet := func() {
		rec := usp.NewNoSession(g.endpoint, mtptest.Controller, "", []byte(greetingText))
		_ = l.Enqueue(rec, mtp.Hint{}, greetingToken) // fails if the Link goes down, which is told otherwise
	}
	if err == nil {
		greet()
	}
	return greetingPort{port, greet}, err
}

func (p greetingPort) Settled(t mtp.Token, err error) {
	switch {
	case t != greetingToken:
		p.Port.Settled(t, err)
	case err != nil:
		p.greet()
	}
}

func (g greeted) Run(ctx context.Context, h mtp.Handler) error {
	return g.Transport.Run(ctx, greetedTo{h})
}

func (g greetedTo) LinkUp(l mtp.Link, p mtp.Peer) (mtp.Port, error) {
	port, err := g.Handler.LinkUp(l, p)
	return greetedPort{port, l}, err
}

func (p greetedPort) Accept(rec usp.Record, hint mtp.Hint, t mtp.Token) {
	if string(rec.Header().Payload) == greetingText {
		p.link.Ack(t, nil)
		return
	}
	p.Port.Accept(rec, hint, t)
}
