// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/internal/sim/endpoint"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/e2e"
	"github.com/uspgate/uspgate/usp/uspmsg"
	"github.com/uspgate/uspgate/usp/usprecord"
)

// ErrDisconnected is wrapped by the error of a Request whose Agent has ended the
// Session Context, or wants none.
var ErrDisconnected = errors.New("controller: disconnected by the Agent")

// tick is how often it is looked for what Sessions have to do.
const tick = time.Second

// sessions are the Session Contexts of a Controller, where it speaks in such.
type sessions struct {
	settings *e2e.Settings // nil: it does not

	mu sync.Mutex
	of map[usp.EndpointID]*e2e.Session
}

// session returns that with an Agent; mu is held.
func (c *Controller) session(agent usp.EndpointID) *e2e.Session {
	s := c.sessions.of[agent]
	if s == nil {
		agent = usp.EndpointID(strings.Clone(string(agent))) // may be a view into a Record
		s = e2e.New(e2e.Options{Local: c.opts.Endpoint, Remote: agent})
		s.Configure(*c.sessions.settings)
		if c.sessions.of == nil {
			c.sessions.of = make(map[usp.EndpointID]*e2e.Session)
		}
		c.sessions.of[agent] = s
	}
	return s
}

// sendIn sends a Message in a Session Context. settled is called for its last Record.
func (c *Controller) sendIn(l *endpoint.Link, hint mtp.Hint, to usp.EndpointID, payload []byte, settled func(error)) {
	c.sessions.mu.Lock()
	defer c.sessions.mu.Unlock()
	out, err := c.session(to).Send(time.Now(), payload)
	switch {
	case err != nil:
		settled(err)
	case len(out.Records) == 0: // it waits for a context
		settled(nil)
	default:
		sendAll(l, hint, out.Records, settled)
	}
}

// sendAll sends Records in order; settled, unless nil, is called for the last.
func sendAll(l *endpoint.Link, hint mtp.Hint, recs []usp.Record, settled func(error)) {
	for i, rec := range recs {
		if i < len(recs)-1 {
			l.Send(rec, hint, nil)
		} else {
			l.Send(rec, hint, settled)
		}
	}
}

// receiveSession takes a Record of a Session Context.
func (c *Controller) receiveSession(l *endpoint.Link, rec usp.Record, hint mtp.Hint) {
	h := rec.Header()
	c.node.Learn(h.From, l, hint.ReplyTo)
	c.sessions.mu.Lock()
	if len(c.sessions.of) >= c.opts.MaxPending && c.sessions.of[h.From] == nil {
		c.sessions.mu.Unlock()
		c.ignored.Add(1)
		return
	}
	out := c.session(h.From).Receive(time.Now(), rec)
	sendAll(l, mtp.Hint{Destination: hint.ReplyTo}, out.Records, nil)
	c.sessions.mu.Unlock()
	if out.Failure != nil {
		c.log.Warn("session context", zap.String("endpoint_id", string(h.From)), zap.Error(out.Failure))
	}
	for _, payload := range out.Messages {
		var msg uspmsg.Msg
		if err := proto.Unmarshal(payload, &msg); err != nil {
			c.ignored.Add(1)
			continue
		}
		c.message(l, h, hint, &msg)
	}
}

// disconnected ends the Session Context with an Agent, and the Requests that wait for
// it [R-MTP.7].
func (c *Controller) disconnected(rec usp.Record) {
	agent := rec.Header().From
	c.log.Debug("disconnect", zap.String("endpoint_id", string(agent)))
	if c.sessions.settings == nil {
		return
	}
	c.sessions.mu.Lock()
	delete(c.sessions.of, agent)
	c.sessions.mu.Unlock()
	var r usprecord.Record
	if err := proto.Unmarshal(rec.Bytes(), &r); err != nil {
		return // cannot be, for Peek has accepted it
	}
	d := r.GetDisconnect()
	why := &usp.Error{Code: usp.Code(d.GetReasonCode()), Text: d.GetReason()}
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, ch := range c.pending {
		if key.to == agent {
			delete(c.pending, key)
			ch <- outcome{err: fmt.Errorf("%w: %w", ErrDisconnected, why)}
		}
	}
}

// tend does what is due of the Session Contexts until ctx ends.
func (c *Controller) tend(ctx context.Context) {
	clock := time.NewTicker(tick)
	defer clock.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-clock.C:
		}
		c.sessions.mu.Lock()
		for agent, s := range c.sessions.of {
			if link, hint, _ := c.node.Route(agent); link != nil {
				sendAll(link, hint, s.Tick(time.Now()).Records, nil)
			}
		}
		c.sessions.mu.Unlock()
	}
}

// Disconnect ends the Session Context with an Agent by a DisconnectRecord, and waits
// until that is sent or ctx ends. Without one it does nothing.
func (c *Controller) Disconnect(ctx context.Context, agent usp.EndpointID) error {
	c.sessions.mu.Lock()
	known := c.sessions.of[agent] != nil
	delete(c.sessions.of, agent)
	c.sessions.mu.Unlock()
	link, hint, _ := c.node.Route(agent)
	if !known || link == nil {
		return nil
	}
	sent := make(chan error, 1)
	rec := usp.NewDisconnect(c.opts.Endpoint, agent, "the Controller ends", usp.CodeSessionContextTerminated)
	link.Send(rec, hint, func(err error) { sent <- err })
	select {
	case err := <-sent:
		return err
	case <-c.closed:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}
