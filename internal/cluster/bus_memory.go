// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"
)

// MemoryHub connects MemoryBuses in one process. It can cut nodes off, for
// tests. Safe for concurrent use.
type MemoryHub struct {
	mu       sync.Mutex
	services map[memoryKey]*memoryService
	cut      map[*MemoryBus]bool
}

type memoryKey struct{ node, service string }

// memoryQueue bounds what waits for a handler.
const memoryQueue = 65_536

// NewMemoryHub returns a hub to which no Bus is connected.
func NewMemoryHub() *MemoryHub {
	return &MemoryHub{services: make(map[memoryKey]*memoryService), cut: make(map[*MemoryBus]bool)}
}

// Bus returns a new Bus on the hub. It needs no end.
func (h *MemoryHub) Bus() *MemoryBus {
	return &MemoryBus{hub: h, inFlight: make(chan struct{}, DefaultInFlight)}
}

// Cut takes a Bus off the hub, or puts it on again: what it sends and what is
// sent to it, replies included, gets lost.
func (h *MemoryHub) Cut(b *MemoryBus, cut bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if cut {
		h.cut[b] = true
	} else {
		delete(h.cut, b)
	}
}

func (h *MemoryHub) isCut(buses ...*MemoryBus) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, b := range buses {
		if h.cut[b] {
			return true
		}
	}
	return false
}

func (h *MemoryHub) find(key memoryKey) *memoryService {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.services[key]
}

// MemoryBus implements Bus within one process.
type MemoryBus struct {
	hub      *MemoryHub
	inFlight chan struct{}
}

var _ Bus = (*MemoryBus)(nil)

// MaxPayload implements Bus: 8 MiB.
func (b *MemoryBus) MaxPayload() int { return 8 << 20 }

// Request implements Bus.
func (b *MemoryBus) Request(ctx context.Context, node, service string, data []byte) ([]byte, error) {
	return Await(ctx, func(done func([]byte, error)) (func(error), error) {
		q, err := b.send(node, service, data, done)
		return func(err error) { q.finish(nil, err) }, err
	})
}

// Send implements Bus.
func (b *MemoryBus) Send(
	node, service string, data []byte, timeout time.Duration, done func([]byte, error),
) error {
	q, err := b.send(node, service, data, done)
	if err == nil {
		q.expire(timeout)
	}
	return err
}

func (b *MemoryBus) send(node, service string, data []byte, done func([]byte, error)) (*memoryRequest, error) {
	if len(data) > b.MaxPayload() {
		return nil, ErrBusTooLarge
	}
	select {
	case b.inFlight <- struct{}{}:
	default:
		return nil, ErrBusBusy
	}
	q := &memoryRequest{from: b, data: bytes.Clone(data), done: done}
	if b.hub.isCut(b) {
		return q, nil // lost
	}
	s := b.hub.find(memoryKey{node, service})
	switch {
	case s == nil:
		q.finish(nil, fmt.Errorf("%w: %s at %s", ErrNoNode, service, node))
	case b.hub.isCut(s.bus): // lost
	case !s.push(q):
		q.finish(nil, fmt.Errorf("%w: %s at %s", ErrNoNode, service, node))
	}
	return q, nil
}

// memoryRequest is one request until it has been answered.
type memoryRequest struct {
	from *MemoryBus
	data []byte

	mu    sync.Mutex
	done  func([]byte, error) // nil once called
	timer *time.Timer
}

func (q *memoryRequest) expire(after time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.done != nil {
		q.timer = time.AfterFunc(after, func() { q.finish(nil, ErrNoReply) })
	}
}

func (q *memoryRequest) finish(reply []byte, err error) {
	q.mu.Lock()
	done := q.done
	q.done = nil
	if q.timer != nil {
		q.timer.Stop()
	}
	q.mu.Unlock()
	if done != nil {
		<-q.from.inFlight
		done(reply, err)
	}
}

// memoryService is what one Serve has begun.
type memoryService struct {
	bus     *MemoryBus
	handler BusHandler
	queue   chan *memoryRequest

	mu    sync.Mutex
	ended bool
	over  chan struct{}
}

// Serve implements Bus.
func (b *MemoryBus) Serve(node, service string, h BusHandler) (stop func(), err error) {
	key := memoryKey{node, service}
	s := &memoryService{
		bus: b, handler: h, queue: make(chan *memoryRequest, memoryQueue), over: make(chan struct{}),
	}
	b.hub.mu.Lock()
	defer b.hub.mu.Unlock()
	if b.hub.services[key] != nil {
		return nil, fmt.Errorf("cluster: %s at %s is served already", service, node)
	}
	b.hub.services[key] = s
	go s.run()
	return sync.OnceFunc(func() {
		b.hub.mu.Lock()
		delete(b.hub.services, key)
		b.hub.mu.Unlock()
		s.end()
	}), nil
}

// push queues q; what is beyond the bound gets lost. It is false after the end.
func (s *memoryService) push(q *memoryRequest) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	select {
	case s.queue <- q:
	default:
	}
	return true
}

func (s *memoryService) end() {
	s.mu.Lock()
	s.ended = true
	close(s.queue)
	s.mu.Unlock()
	<-s.over
}

// run calls the handler until the service ends.
func (s *memoryService) run() {
	defer close(s.over)
	for q := range s.queue {
		s.mu.Lock()
		ended := s.ended
		s.mu.Unlock()
		if ended {
			q.finish(nil, ErrNoNode)
			continue
		}
		s.handler(q.data, func(reply []byte) {
			if s.bus.hub.isCut(s.bus, q.from) {
				return // lost
			}
			if len(reply) > s.bus.MaxPayload() {
				return
			}
			q.finish(bytes.Clone(reply), nil)
		})
	}
}
