// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"sync"
)

// rpc are calls between nodes whose arguments and results may be larger than a
// message of the Bus. There is one stream for each pair of caller and callee,
// made with the first call; when it ends, all its calls do.
type rpc struct {
	n *Node

	streams streams

	mu      sync.Mutex
	callers map[holderKey]*rpcCaller
	calls   int // that are served here
}

// rpcKind is what is called.
type rpcKind byte

const (
	rpcOpen rpcKind = iota + 1
	rpcRequest
	rpcNext
	rpcClose
	rpcKnows
	rpcExchange
)

const (
	rpcCall   = 1
	rpcResult = 2
	rpcCancel = 3
	rpcFailed = 4
)

// errCallBusy: too many calls of other nodes are served.
var (
	errCallBusy = errors.New("cluster: too many calls from other nodes")
	errCallKind = errors.New("cluster: unknown call")
)

// remoteError is why a call failed at the other node.
type remoteError string

func (e remoteError) Error() string { return "cluster: at the other node: " + string(e) }

func (r *rpc) init(n *Node) {
	r.n = n
	r.callers = make(map[holderKey]*rpcCaller)
}

// handle is the service.
func (r *rpc) handle(message []byte, reply func([]byte)) { r.streams.handle(message, reply, r.greeted) }

// rpcCaller is the stream to one node, for calls of this one.
type rpcCaller struct {
	r     *rpc
	to    holderKey
	ready chan struct{} // closed once x is made, or err set
	err   error
	x     *stream

	mu      sync.Mutex
	pending map[uint64]chan<- rpcReply
	next    uint64
	cause   error // not nil: it is over
}

type rpcReply struct {
	data []byte
	err  error
}

// call calls a node. After an error other than remoteError it is not known
// whether the call was served.
func (r *rpc) call(ctx context.Context, to holderKey, kind rpcKind, data []byte) ([]byte, error) {
	c, err := r.caller(ctx, to)
	if err != nil {
		return nil, err
	}
	replies := make(chan rpcReply, 1)
	c.mu.Lock()
	if c.cause != nil {
		c.mu.Unlock()
		return nil, c.cause
	}
	c.next++
	id := c.next
	c.pending[id] = replies
	c.mu.Unlock()
	c.x.write(func(b []byte) []byte {
		b = binary.AppendUvarint(append(b, rpcCall), id)
		return append(append(b, byte(kind)), data...)
	})
	select {
	case reply := <-replies:
		return reply.data, reply.err
	case <-ctx.Done():
		c.mu.Lock()
		delete(c.pending, id)
		c.mu.Unlock()
		c.x.write(func(b []byte) []byte { return binary.AppendUvarint(append(b, rpcCancel), id) })
		return nil, context.Cause(ctx) //nolint:wrapcheck // the caller's own
	}
}

// caller returns the stream to a node and makes it if need be.
func (r *rpc) caller(ctx context.Context, to holderKey) (*rpcCaller, error) {
	l := r.n.alive()
	if l == nil {
		return nil, errNoLease
	}
	r.mu.Lock()
	c := r.callers[to]
	if c == nil {
		c = &rpcCaller{r: r, to: to, ready: make(chan struct{}), pending: make(map[uint64]chan<- rpcReply)}
		r.callers[to] = c
		r.mu.Unlock()
		c.err = c.dial(ctx, l)
		if c.err != nil {
			c.forget()
		}
		close(c.ready)
	} else {
		r.mu.Unlock()
	}
	select {
	case <-c.ready:
		return c, c.err
	case <-ctx.Done():
		return nil, context.Cause(ctx) //nolint:wrapcheck // the caller's own
	}
}

func (c *rpcCaller) forget() {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	if c.r.callers[c.to] == c {
		delete(c.r.callers, c.to)
	}
}

// dial makes the stream.
func (c *rpcCaller) dial(ctx context.Context, l *life) error {
	n := c.r.n
	var id [8]byte
	_, _ = rand.Read(id[:])
	c.x = &stream{
		bus: n.o.Bus, to: address(c.to.node, c.to.epoch), service: serviceRPC,
		id: binary.BigEndian.Uint64(id[:]), timeout: n.o.messageTimeout(), frame: c.frame, over: c.ended,
	}
	c.x.init()
	c.r.streams.add(c.x)
	message := append([]byte{msgHello}, id[:]...)
	message = appendString(message, n.o.Name)
	message = binary.AppendUvarint(message, l.epoch)
	asking, cancel := context.WithTimeout(ctx, n.o.Lease/2)
	defer cancel()
	reply, err := n.o.Bus.Request(asking, c.x.to, serviceRPC, message)
	if err == nil && (len(reply) == 0 || reply[0] != answerOK) {
		err = errStreamGone
	}
	if err != nil {
		c.x.end(err)
		return err
	}
	if !n.spawn(c.x.send) {
		c.x.end(errNoLease)
		return errNoLease
	}
	c.x.begin()
	return nil
}

// ended fails every call that waits.
func (c *rpcCaller) ended(cause error) {
	c.r.streams.remove(c.x)
	c.forget()
	c.mu.Lock()
	c.cause = cause
	pending := c.pending
	c.pending = nil
	c.mu.Unlock()
	for _, replies := range pending {
		replies <- rpcReply{err: cause}
	}
}

// frame takes a result.
func (c *rpcCaller) frame(b []byte) error {
	d := reader{b: b}
	kind, id := d.byte(), d.uvarint()
	if d.bad {
		return errStreamFrame
	}
	c.mu.Lock()
	replies := c.pending[id]
	delete(c.pending, id)
	c.mu.Unlock()
	switch {
	case replies == nil: // was cancelled
	case kind == rpcResult:
		replies <- rpcReply{data: bytes.Clone(d.b)}
	default:
		replies <- rpcReply{err: remoteError(d.b)}
	}
	return nil
}
