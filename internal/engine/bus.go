// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/uspgate/uspgate/internal/cluster"
)

// bus carries requests between the nodes of a cluster over core NATS: nothing of
// them is stored. It implements cluster.Bus.
type bus struct {
	conn *nats.Conn

	mu      sync.Mutex
	pending map[string]*busRequest // by the last token of the reply subject
	next    uint64
	inbox   string // with a dot at the end; empty before the first request
	serving map[string]bool
}

// busQueue and busQueueBytes bound what waits for one handler; what is beyond
// gets lost.
const (
	busQueue      = 65_536
	busQueueBytes = 256 << 20
	// busFlush bounds how long a server may take to know that somebody serves.
	busFlush = 5 * time.Second
)

// busRequest is one request until it has been answered.
type busRequest struct {
	done  func([]byte, error)
	timer *time.Timer // nil: its sender waits itself
}

// Bus returns the Bus of this engine's servers. It needs no end.
func (e *Engine) Bus() cluster.Bus {
	return &bus{conn: e.conn, pending: make(map[string]*busRequest), serving: make(map[string]bool)}
}

// MaxPayload implements cluster.Bus.
func (b *bus) MaxPayload() int { return int(b.conn.MaxPayload()) }

// busSubject is where a service of a node is asked.
func busSubject(node, service string) string {
	return "uspgate.bus." + base64.RawURLEncoding.EncodeToString([]byte(node)) + "." + service
}

// Request implements cluster.Bus.
func (b *bus) Request(ctx context.Context, node, service string, data []byte) ([]byte, error) {
	return cluster.Await(ctx, func(done func([]byte, error)) (func(error), error) {
		token, err := b.send(node, service, data, 0, done)
		return func(err error) { b.finish(token, nil, err) }, err
	})
}

// Send implements cluster.Bus.
func (b *bus) Send(node, service string, data []byte, timeout time.Duration, done func([]byte, error)) error {
	_, err := b.send(node, service, data, timeout, done)
	return err
}

// send publishes a request; its token ends the reply subject.
func (b *bus) send(
	node, service string, data []byte, timeout time.Duration, done func([]byte, error),
) (token string, err error) {
	switch {
	case len(data) > b.MaxPayload():
		return "", cluster.ErrBusTooLarge
	case !b.conn.IsConnected(): // what waits for a connection would come too late
		return "", cluster.ErrBusClosed
	}
	q := &busRequest{done: done}
	b.mu.Lock()
	if err := b.listen(); err != nil {
		b.mu.Unlock()
		return "", err
	}
	if len(b.pending) >= cluster.DefaultInFlight {
		b.mu.Unlock()
		return "", cluster.ErrBusBusy
	}
	b.next++
	token = strconv.FormatUint(b.next, 36)
	b.pending[token] = q
	if timeout > 0 {
		q.timer = time.AfterFunc(timeout, func() { b.finish(token, nil, cluster.ErrNoReply) })
	}
	// Under the lock: what one goroutine sends is published in that order anyway,
	// and a reply finds its request.
	err = b.conn.PublishRequest(busSubject(node, service), b.inbox+token, data)
	if err != nil {
		delete(b.pending, token)
	}
	b.mu.Unlock()
	if err != nil {
		if q.timer != nil && !q.timer.Stop() {
			return token, nil // done has been called
		}
		return "", fmt.Errorf("%w: %w", cluster.ErrBusClosed, err)
	}
	return token, nil
}

// listen subscribes to the replies, once; mu is held.
func (b *bus) listen() error {
	if b.inbox != "" {
		return nil
	}
	inbox := b.conn.NewInbox() + "."
	s, err := b.conn.Subscribe(inbox+"*", func(m *nats.Msg) {
		token := m.Subject[len(inbox):]
		if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
			b.finish(token, nil, cluster.ErrNoNode)
			return
		}
		b.finish(token, m.Data, nil)
	})
	if err == nil {
		err = s.SetPendingLimits(-1, -1) // bounded by the requests under way
	}
	if err != nil {
		return fmt.Errorf("%w: %w", cluster.ErrBusClosed, err)
	}
	b.inbox = inbox
	return nil
}

// finish answers a request, once.
func (b *bus) finish(token string, reply []byte, err error) {
	b.mu.Lock()
	q := b.pending[token]
	delete(b.pending, token)
	b.mu.Unlock()
	if q == nil {
		return
	}
	if q.timer != nil {
		q.timer.Stop()
	}
	q.done(reply, err)
}

// Serve implements cluster.Bus.
func (b *bus) Serve(node, service string, h cluster.BusHandler) (stop func(), err error) {
	subject := busSubject(node, service)
	b.mu.Lock()
	if b.serving[subject] {
		b.mu.Unlock()
		return nil, fmt.Errorf("engine: %s at %s is served already", service, node)
	}
	b.serving[subject] = true
	b.mu.Unlock()
	var mu sync.Mutex // a call is in progress
	stopped := false
	s, err := b.conn.Subscribe(subject, func(m *nats.Msg) {
		mu.Lock()
		defer mu.Unlock()
		if !stopped {
			h(m.Data, func(data []byte) { _ = m.Respond(data) }) // it may get lost
		}
	})
	if err == nil {
		if err = s.SetPendingLimits(busQueue, busQueueBytes); err == nil {
			err = b.conn.FlushTimeout(busFlush)
		}
	}
	stop = sync.OnceFunc(func() {
		if s != nil {
			_ = s.Unsubscribe() // an error says that the connection has gone
			_ = b.conn.FlushTimeout(busFlush)
		}
		mu.Lock()
		stopped = true
		mu.Unlock()
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.serving, subject)
	})
	if err != nil {
		stop()
		return nil, fmt.Errorf("engine: serving %s: %w", service, err)
	}
	return stop, nil
}
