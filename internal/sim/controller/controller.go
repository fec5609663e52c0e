// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package controller is a small USP Controller over any MTP: for the usp
// commands, the demo and tests. It sends Requests and waits for their answers,
// and takes Notify Messages. It retries nothing and trusts whom its transport
// trusts.
package controller

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/internal/sim/endpoint"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/e2e"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// Defaults of Options.
const (
	DefaultMaxNotifies = 1024
	DefaultMaxPending  = 4096
)

// ErrClosed is returned by Do once Run has returned.
var ErrClosed = errors.New("controller: closed")

// Options configure a Controller.
type Options struct {
	// Endpoint is the Controller's Endpoint ID. Required.
	Endpoint usp.EndpointID
	// Transport carries its Records. Required.
	Transport mtp.Transport
	// MsgIDPrefix starts every msg_id; "": eight random hex digits, so that a
	// Controller that is started again does not repeat itself [R-MSG.4].
	MsgIDPrefix string
	// MaxNotifies bounds the notifications that nobody has read; 0: 1024. More
	// are dropped and not answered, so that the Agent repeats what matters.
	MaxNotifies int
	// MaxPending bounds the Requests that wait for an answer, and the Agents with a Session
	// Context; 0: 4096.
	MaxPending int
	// Sessions has it send its Requests in Session Contexts with these settings; nil:
	// without.
	Sessions *e2e.Settings
	// Log takes one line per event; nil: none.
	Log *zap.Logger
}

// Controller is a USP Controller. Its methods are safe for concurrent use.
type Controller struct {
	opts     Options
	log      *zap.Logger
	node     *endpoint.Node
	counter  atomic.Uint64
	notifies chan Notify
	closed   chan struct{}
	ignored  atomic.Uint64
	dropped  atomic.Uint64

	sessions sessions

	mu      sync.Mutex
	pending map[pendingKey]chan outcome
}

// pendingKey names a Request by whom it was sent to, since only that Endpoint
// may answer it.
type pendingKey struct {
	to    usp.EndpointID
	msgID string
}

type outcome struct {
	msg *uspmsg.Msg
	err error
}

// New checks o and allocates.
func New(o Options) (*Controller, error) {
	if o.Endpoint == "" {
		return nil, errors.New("controller: no Endpoint ID")
	}
	if o.Transport == nil {
		return nil, errors.New("controller: no transport")
	}
	if o.MaxNotifies <= 0 {
		o.MaxNotifies = DefaultMaxNotifies
	}
	if o.MaxPending <= 0 {
		o.MaxPending = DefaultMaxPending
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.MsgIDPrefix == "" {
		var b [4]byte
		if _, err := rand.Read(b[:]); err != nil {
			return nil, fmt.Errorf("controller: msg_id: %w", err)
		}
		o.MsgIDPrefix = hex.EncodeToString(b[:]) + "-"
	}
	c := &Controller{
		opts:     o,
		log:      o.Log.Named("sim.controller"),
		notifies: make(chan Notify, o.MaxNotifies),
		closed:   make(chan struct{}),
		pending:  make(map[pendingKey]chan outcome),
		sessions: sessions{settings: o.Sessions},
	}
	c.node = endpoint.NewNode(endpoint.Options{
		ID:      o.Endpoint,
		Receive: c.receive,
		Dropped: func(usp.Record) { c.ignored.Add(1) },
	})
	return c, nil
}

// Endpoint returns the Controller's Endpoint ID.
func (c *Controller) Endpoint() usp.EndpointID { return c.opts.Endpoint }

// Listen binds the transport's sockets, if it is a server.
func (c *Controller) Listen(ctx context.Context) error {
	if err := c.opts.Transport.Listen(ctx); err != nil {
		return fmt.Errorf("controller: listen: %w", err)
	}
	return nil
}

// Run runs the transport until ctx ends or the transport fails. When it
// returns, whoever waits in Do gets ErrClosed. It is called once.
func (c *Controller) Run(ctx context.Context) error {
	defer close(c.closed)
	if c.sessions.settings != nil {
		var wg sync.WaitGroup
		defer wg.Wait()
		tending, stop := context.WithCancel(ctx)
		defer stop()
		wg.Go(func() { c.tend(tending) })
	}
	if err := c.opts.Transport.Run(ctx, c.node); err != nil {
		return fmt.Errorf("controller: run: %w", err)
	}
	return nil
}

// Await waits until the Agent has shown itself over some Link, by a Connect
// Record or any other, or because the transport is bound to it.
func (c *Controller) Await(ctx context.Context, agent usp.EndpointID) error {
	for {
		known, changed := c.node.Known(agent)
		if known {
			return nil
		}
		if err := c.wait(ctx, changed); err != nil {
			return fmt.Errorf("controller: await %s: %w", agent, err)
		}
	}
}

func (c *Controller) wait(ctx context.Context, changed <-chan struct{}) error {
	select {
	case <-changed:
		return nil
	case <-c.closed:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Do sends a Request and waits for the Response or Error with its msg_id from
// the same Endpoint. It waits for a Link first, if there is none. An Error
// Message is an answer, not an error of Do; Result tells them apart. Do fails
// with the context's error, ErrClosed, or why the Record was not delivered.
func (c *Controller) Do(ctx context.Context, to usp.EndpointID, req *uspmsg.Request) (*uspmsg.Msg, error) {
	id := c.nextID()
	key := pendingKey{to: to, msgID: id}
	answer := make(chan outcome, 1)
	c.mu.Lock()
	full := len(c.pending) >= c.opts.MaxPending
	if !full {
		c.pending[key] = answer
	}
	c.mu.Unlock()
	if full {
		return nil, fmt.Errorf("controller: %d Requests wait already: %w", c.opts.MaxPending, mtp.ErrBusy)
	}
	defer c.forget(key)
	err := c.send(ctx, to, id, req, func(err error) {
		if err != nil {
			c.answer(key, outcome{err: err})
		}
	})
	if err != nil {
		return nil, fmt.Errorf("controller: send to %s: %w", to, err)
	}
	select {
	case o := <-answer:
		if o.err != nil {
			return nil, fmt.Errorf("controller: send to %s: %w", to, o.err)
		}
		return o.msg, nil
	case <-c.closed:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, fmt.Errorf("controller: no answer of %s to %s: %w", to, id, ctx.Err())
	}
}

// Send sends a Request without waiting for an answer, such as an Operate with
// send_resp=false, and returns its msg_id when the carrier has delivered it.
func (c *Controller) Send(ctx context.Context, to usp.EndpointID, req *uspmsg.Request) (msgID string, err error) {
	id := c.nextID()
	settled := make(chan error, 1)
	if err := c.send(ctx, to, id, req, func(err error) { settled <- err }); err != nil {
		return "", fmt.Errorf("controller: send to %s: %w", to, err)
	}
	select {
	case err = <-settled:
	case <-c.closed:
		err = ErrClosed
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return "", fmt.Errorf("controller: send to %s: %w", to, err)
	}
	return id, nil
}

func (c *Controller) nextID() string {
	return c.opts.MsgIDPrefix + strconv.FormatUint(c.counter.Add(1), 10)
}

// send waits for a Link and hands the Request over.
func (c *Controller) send(
	ctx context.Context, to usp.EndpointID, id string, req *uspmsg.Request, settled func(error),
) error {
	payload, err := proto.Marshal(&uspmsg.Msg{
		Header: &uspmsg.Header{MsgId: id, MsgType: requestType(req)},
		Body:   &uspmsg.Body{MsgBody: &uspmsg.Body_Request{Request: req}},
	})
	if err != nil {
		return fmt.Errorf("marshal: %w", err)
	}
	for {
		link, hint, changed := c.node.Route(to)
		switch {
		case link == nil:
		case c.sessions.settings != nil:
			c.sendIn(link, hint, to, payload, settled)
			return nil
		default:
			link.Send(usp.NewNoSession(c.opts.Endpoint, to, "", payload), hint, settled)
			return nil
		}
		if err := c.wait(ctx, changed); err != nil {
			return fmt.Errorf("no link: %w", err)
		}
	}
}

func (c *Controller) answer(key pendingKey, o outcome) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch, ok := c.pending[key]
	if ok {
		delete(c.pending, key)
		ch <- o
	}
	return ok
}

func (c *Controller) forget(key pendingKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pending, key)
}

// Ignored returns how many Records and Messages were of no use: for somebody
// else, of a kind that is not understood, or answers that nobody waits for.
func (c *Controller) Ignored() uint64 { return c.ignored.Load() }
