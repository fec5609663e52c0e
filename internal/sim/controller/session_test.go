// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/internal/sim/endpoint"
	"github.com/uspgate/uspgate/internal/sim/pipe"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/e2e"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// counterpart is an Agent that speaks in Session Contexts.
type counterpart struct {
	*endpoint.Node

	s   *e2e.Session
	got []usp.Record
	// refuse has it answer with a DisconnectRecord.
	refuse bool
}

func newCounterpart() *counterpart {
	p := &counterpart{s: e2e.New(e2e.Options{Local: agent, Remote: me})}
	p.s.Configure(e2e.Settings{MaxRecordSize: 512, MaxRetransmitTries: 3})
	p.Node = endpoint.NewNode(endpoint.Options{ID: agent, Receive: p.receive})
	return p
}

func (p *counterpart) receive(l *endpoint.Link, rec usp.Record, _ mtp.Hint) {
	p.got = append(p.got, rec)
	switch {
	case rec.Header().Type != usp.RecordSession:
		return
	case p.refuse:
		l.Send(usp.NewDisconnect(agent, me, "no", usp.CodeSessionContextNotAllowed), mtp.Hint{}, nil)
		return
	}
	out := p.s.Receive(time.Now(), rec)
	p.send(l, out.Records...)
	for _, payload := range out.Messages {
		var m uspmsg.Msg
		if err := proto.Unmarshal(payload, &m); err != nil {
			panic(err)
		}
		if g := m.GetBody().GetRequest().GetGet(); g != nil {
			p.say(l, getResp(m.GetHeader().GetMsgId(), strings.Repeat(g.GetParamPaths()[0], 100)))
		}
	}
}

func (p *counterpart) say(l *endpoint.Link, m *uspmsg.Msg) {
	payload, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	out, err := p.s.Send(time.Now(), payload)
	if err != nil {
		panic(err)
	}
	p.send(l, out.Records...)
}

func (p *counterpart) send(l *endpoint.Link, recs ...usp.Record) {
	for _, rec := range recs {
		l.Send(rec, mtp.Hint{}, nil)
	}
}

// sessionEnv is what a test in the bubble has.
type sessionEnv struct {
	*testing.T
	c *controller.Controller
	p *counterpart
}

// inSession runs body with a Controller that speaks in Session Contexts.
func inSession(t *testing.T, body func(t sessionEnv)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		x, y := pipe.New(pipe.Side{Peer: mtp.Peer{Kind: mtp.Virtual}}, pipe.Side{})
		c, err := controller.New(controller.Options{
			Endpoint: me, Transport: x, Sessions: &e2e.Settings{MaxRetransmitTries: 3},
		})
		if err != nil {
			t.Fatal(err)
		}
		p := newCounterpart()
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = c.Run(ctx) })
		wg.Go(func() { _ = y.Run(ctx, p) })
		defer wg.Wait()
		defer stop()
		body(sessionEnv{t, c, p})
	})
}

// Requests go in a Session Context, answers come in segments, Notifies are answered
// where they came, and the end is said.
func TestSessionContext(t *testing.T) {
	t.Parallel()
	inSession(t, func(t sessionEnv) {
		c, p := t.c, t.p
		for range 2 {
			r, err := c.Get(t.Context(), agent, 0, "Device.X")
			if err != nil {
				t.Fatal(err)
			}
			if got, want := controller.Params(r)["Device.X"], strings.Repeat("Device.X", 100); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		p.say(p.Links()[0], notification("n", 1, true))
		synctest.Wait()
		if n := <-c.Notifies(); n.MsgID != "n" {
			t.Errorf("got %v, want n", n)
		}
		if err := c.Disconnect(t.Context(), agent); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		var types []string
		for _, rec := range p.got {
			types = append(types, rec.Header().Type.String())
		}
		want := "session_context session_context session_context disconnect" // the third is the NotifyResp
		if got := strings.Join(types, " "); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// A Record that is lost is asked for, and comes again.
func TestSessionContextWithLoss(t *testing.T) {
	t.Parallel()
	inSession(t, func(t sessionEnv) {
		c, p := t.c, t.p
		if _, err := c.Get(t.Context(), agent, 0, "Device.X"); err != nil {
			t.Fatal(err)
		}
		payload, err := proto.Marshal(notification("lost", 1, false))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.s.Send(time.Now(), payload); err != nil {
			t.Fatal(err)
		}
		p.say(p.Links()[0], notification("second", 2, false))
		for _, want := range []string{"lost", "second"} {
			if n := <-c.Notifies(); n.MsgID != want {
				t.Errorf("got %s, want %s", n.MsgID, want)
			}
		}
	})
}

// An Agent without Session Contexts says so, and nobody waits.
func TestSessionContextRefused(t *testing.T) {
	t.Parallel()
	inSession(t, func(t sessionEnv) {
		c, p := t.c, t.p
		p.refuse = true
		_, err := c.Get(t.Context(), agent, 0, "Device.X")
		var e *usp.Error
		if !errors.Is(err, controller.ErrDisconnected) || !errors.As(err, &e) || e.Code != usp.CodeSessionContextNotAllowed {
			t.Errorf("got %v, want ErrDisconnected with 7106", err)
		}
	})
}
