// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"sync"
)

// rpcServer is the stream from one node, for its calls.
type rpcServer struct {
	r    *rpc
	x    *stream
	ctx  context.Context //nolint:containedctx // ends with the stream
	stop context.CancelCauseFunc

	mu    sync.Mutex
	over  bool
	calls map[uint64]context.CancelFunc
	group sync.WaitGroup
}

// greeted begins a stream with a node that wants to call.
func (r *rpc) greeted(message []byte) bool {
	if len(message) < 8 {
		return false
	}
	id := binary.BigEndian.Uint64(message)
	d := reader{b: message[8:]}
	node, epoch := d.string(), d.uvarint()
	if d.bad || r.n.isDead(node, epoch) {
		return false
	}
	s := &rpcServer{r: r, calls: make(map[uint64]context.CancelFunc)}
	s.ctx, s.stop = context.WithCancelCause(context.Background())
	s.x = &stream{
		bus: r.n.o.Bus, to: address(node, epoch), service: serviceRPC, id: id, timeout: r.n.o.messageTimeout(),
		frame: s.frame, over: s.ended,
	}
	s.x.init()
	r.streams.add(s.x)
	if !r.n.spawn(s.x.send) {
		s.x.end(errNoLease)
		return false
	}
	s.x.begin()
	return true
}

// ended cancels what is served, and ends the sessions of the other node.
func (s *rpcServer) ended(cause error) {
	s.r.streams.remove(s.x)
	s.stop(cause)
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	s.r.n.spawn(func() {
		s.group.Wait()
		s.r.n.cwmp.ended(s, cause)
	})
}

// frame takes a call.
func (s *rpcServer) frame(b []byte) error {
	d := reader{b: b}
	kind, id := d.byte(), d.uvarint()
	if kind == rpcCancel {
		s.mu.Lock()
		cancel := s.calls[id]
		s.mu.Unlock()
		if cancel != nil {
			cancel()
		}
		return nil
	}
	call := rpcKind(d.byte())
	if d.bad || kind != rpcCall {
		return errStreamFrame
	}
	if !s.r.enter() {
		s.answer(id, nil, errCallBusy)
		return nil
	}
	data := bytes.Clone(d.b)
	ctx, cancel := context.WithCancel(s.ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	ok := !s.over
	if ok {
		s.calls[id] = cancel
		s.group.Add(1)
	}
	ok = ok && s.r.n.spawn(func() {
		defer s.group.Done()
		reply, err := s.serve(ctx, call, data)
		s.answer(id, reply, err)
		s.mu.Lock()
		delete(s.calls, id)
		s.mu.Unlock()
		cancel()
		s.r.leave()
	})
	if !ok {
		if !s.over {
			s.group.Done()
		}
		s.r.leave()
		cancel()
	}
	return nil
}

func (r *rpc) enter() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.calls >= r.n.o.MaxRemoteSessions {
		return false
	}
	r.calls++
	return true
}

func (r *rpc) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls--
}

func (s *rpcServer) answer(id uint64, data []byte, err error) {
	s.x.write(func(b []byte) []byte {
		if err != nil {
			return append(binary.AppendUvarint(append(b, rpcFailed), id), err.Error()...)
		}
		return append(binary.AppendUvarint(append(b, rpcResult), id), data...)
	})
}

func (s *rpcServer) serve(ctx context.Context, kind rpcKind, data []byte) ([]byte, error) {
	n := s.r.n
	switch kind {
	case rpcOpen:
		return n.cwmp.open(s, data)
	case rpcRequest, rpcNext, rpcClose:
		return n.cwmp.step(ctx, s, kind, data)
	case rpcKnows, rpcExchange:
		return n.http.serve(ctx, kind, data)
	default:
		return nil, fmt.Errorf("%w: %d", errCallKind, kind)
	}
}
