// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
	"github.com/uspgate/uspgate/usp"
)

// remoteSessions are the sessions of CPE at other nodes that this one serves.
type remoteSessions struct {
	n *Node

	mu      sync.Mutex
	local   acs.Handler // nil: there are none
	address func(cwmp.DeviceID) usp.Address
	all     map[servedKey]*servedSession
}

type servedKey struct {
	by *rpcServer
	id string
}

// servedSession is one of them.
type servedSession struct {
	ctx       context.Context //nolint:containedctx // the session's
	end       context.CancelCauseFunc
	namespace string

	mu     sync.Mutex // one call at a time
	s      acs.Session
	closed bool
}

func (c *remoteSessions) init(n *Node) {
	c.n = n
	c.all = make(map[servedKey]*servedSession)
}

func (c *remoteSessions) set(local acs.Handler, address func(cwmp.DeviceID) usp.Address) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.local, c.address = local, address
}

// open begins a session. The result is empty, or a Fault.
func (c *remoteSessions) open(by *rpcServer, data []byte) ([]byte, error) {
	id, in, info, err := parseOpen(data)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	local, address, n := c.local, c.address, len(c.all)
	c.mu.Unlock()
	switch {
	case local == nil:
		return nil, errNoSession
	case n >= c.n.o.MaxRemoteSessions:
		return nil, errCallBusy
	case !c.n.owners.Owner(address(in.DeviceID)).Mine:
		return nil, errNotOwner
	}
	s := &servedSession{namespace: info.Namespace}
	s.ctx, s.end = context.WithCancelCause(by.ctx)
	opened, err := local.Open(s.ctx, in, info)
	if err != nil {
		s.end(err)
		var f *cwmp.Fault
		if errors.As(err, &f) {
			return appendMessage(nil, info.Namespace, f)
		}
		return nil, err //nolint:wrapcheck // its text goes to the other node
	}
	s.s = opened
	key := servedKey{by, id}
	c.mu.Lock()
	c.all[key] = s
	c.mu.Unlock()
	c.n.met.sessions.Inc()
	if by.ctx.Err() != nil { // nobody else ends it
		c.close(key, context.Cause(by.ctx))
	}
	return nil, nil
}

// step takes one step of a session.
func (c *remoteSessions) step(ctx context.Context, by *rpcServer, kind rpcKind, data []byte) ([]byte, error) {
	d := reader{b: data}
	key := servedKey{by, d.string()}
	if kind == rpcClose {
		c.close(key, causeBy(d.byte()))
		return nil, nil
	}
	m, err := decodeMessage(d.b)
	if err != nil || d.bad {
		return nil, errors.Join(errStreamFrame, err)
	}
	c.mu.Lock()
	s := c.all[key]
	c.mu.Unlock()
	if s == nil {
		return nil, errNoSession
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errNoSession
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.ctx, func() { cancel(context.Cause(s.ctx)) })() //nolint:contextcheck // the session's
	if kind == rpcRequest {
		req, ok := m.(cwmp.Request)
		if !ok {
			return nil, errStreamFrame
		}
		resp, err := s.s.Request(ctx, req)
		if err != nil {
			return nil, err //nolint:wrapcheck // its text goes to the other node
		}
		return appendMessage(nil, s.namespace, resp)
	}
	last, _ := m.(cwmp.Response)
	req, err := s.s.Next(ctx, last)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, err //nolint:wrapcheck // its text goes to the other node
	}
	return appendMessage(nil, s.namespace, req)
}

// close ends a session, once.
func (c *remoteSessions) close(key servedKey, cause error) {
	c.mu.Lock()
	s := c.all[key]
	delete(c.all, key)
	c.mu.Unlock()
	if s == nil {
		return
	}
	c.n.met.sessions.Dec()
	s.end(cause)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.s.Close(cause)
}

// ended ends the sessions that came over one stream.
func (c *remoteSessions) ended(by *rpcServer, cause error) {
	c.mu.Lock()
	var keys []servedKey
	for key := range c.all {
		if key.by == by {
			keys = append(keys, key)
		}
	}
	c.mu.Unlock()
	for _, key := range keys {
		c.close(key, cause)
	}
}
