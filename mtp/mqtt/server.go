// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/listen"
)

// Server is the server role: an mtp.Transport that is a broker for
// Records.
type Server struct {
	opts     ServerOptions
	metrics  *mtp.KindMetrics
	plain    *plain
	numbers  atomic.Uint64 // of links
	listener net.Listener
	handler  mtp.Handler
	wg       sync.WaitGroup // one goroutine per connection

	mu       sync.Mutex
	draining bool
	conns    map[*conn]struct{}
	links    map[string]*link // the newest by ClientID
}

var _ mtp.Transport = (*Server)(nil)

// NewServer checks o and allocates; Listen binds.
func NewServer(o ServerOptions) (*Server, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	metrics, err := mtp.NewMetrics(o.Metrics, mtp.MQTT)
	if err != nil {
		return nil, fmt.Errorf("mqtt: %w", err)
	}
	s := &Server{
		opts: o, metrics: metrics, conns: make(map[*conn]struct{}), links: make(map[string]*link),
	}
	s.plain = &plain{opts: &s.opts}
	if o.Plain {
		if s.plain.metrics, err = newPlainMetrics(o.Metrics); err != nil {
			return nil, fmt.Errorf("mqtt: %w", err)
		}
	}
	return s, nil
}

// Name implements mtp.Transport.
func (s *Server) Name() string { return s.opts.Name }

// Listen implements mtp.Transport.
func (s *Server) Listen(ctx context.Context) error {
	l, err := listen.Listen(ctx, listen.Options{
		Address: s.opts.Listen, ProxyFrom: s.opts.ProxyFrom, HeaderTimeout: s.opts.HandshakeTimeout,
		MaxConnections: s.opts.MaxConnections, MaxConnectionsPerAddress: s.opts.MaxConnectionsPerAddress,
		Metrics: s.metrics, Log: s.opts.Log,
	})
	if err != nil {
		return fmt.Errorf("mqtt: %s: %w", s.opts.Name, err)
	}
	s.listener = l
	return nil
}

// Addr implements mtp.Transport.
func (s *Server) Addr() string {
	if s.listener == nil {
		return s.opts.Listen
	}
	return s.listener.Addr().String()
}

// Run implements mtp.Transport. When ctx ends, every client is told, after what
// is queued for it has been written, and has CloseTimeout to go.
func (s *Server) Run(ctx context.Context, h mtp.Handler) error {
	if s.listener == nil {
		return errors.New("mqtt: Run without Listen")
	}
	s.handler = h
	drained := make(chan struct{})
	unwatch := context.AfterFunc(ctx, func() {
		defer close(drained)
		s.drain()
	})
	err := s.accept(ctx)
	if unwatch() {
		s.drain() // the listener has failed
	} else {
		<-drained
	}
	s.wg.Wait()
	s.plain.wills.close()
	return err
}

// drain takes no more clients and closes those that there are.
func (s *Server) drain() {
	_ = s.listener.Close() // which ends accept
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	for c := range s.conns {
		if l := c.established; l != nil {
			l.Close(mtp.ErrDraining)
		} else {
			_ = c.Close() // nothing has been promised
		}
	}
}

func (s *Server) stopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}
