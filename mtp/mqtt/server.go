// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"

	"github.com/uspgate/uspgate/mtp"
)

// Server is the server role: an mtp.Transport with an embedded broker.
type Server struct {
	opts     ServerOptions
	metrics  *mtp.KindMetrics
	limiter  limiter
	listener net.Listener
	broker   *mochi.Server
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
	return &Server{
		opts: o, metrics: metrics,
		limiter: limiter{total: o.MaxConnections, perAddress: o.MaxConnectionsPerAddress},
		conns:   make(map[*conn]struct{}), links: make(map[string]*link),
	}, nil
}

// Name implements mtp.Transport.
func (s *Server) Name() string { return s.opts.Name }

// Listen implements mtp.Transport.
func (s *Server) Listen(ctx context.Context) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", s.opts.Listen)
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
	s.broker = mochi.New(s.brokerOptions())
	if err := s.broker.AddHook(&hook{server: s}, nil); err != nil {
		return errors.Join(fmt.Errorf("mqtt: %w", err), s.listener.Close())
	}
	// The broker's Serve is not called: it starts listeners of its own, and a
	// loop for sessions, wills and retained messages, of which there are none.
	unwatch := context.AfterFunc(ctx, s.drain)
	defer unwatch()
	err := s.accept(ctx)
	s.drain()
	s.wg.Wait()
	return err
}

// drain takes no more clients and closes those that there are.
func (s *Server) drain() {
	_ = s.listener.Close() // a second time it has been closed before
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return
	}
	s.draining = true
	for c := range s.conns {
		if l := c.established; l != nil {
			l.Close(mtp.ErrDraining)
		} else {
			_ = c.Close() // nothing has been promised
		}
	}
}

func (s *Server) brokerOptions() *mochi.Options {
	caps := mochi.NewDefaultServerCapabilities()
	caps.MaximumPacketSize = uint32(s.opts.MaxRecord + overhead)
	caps.MaximumClientWritesPending = 1 // none of its writes are queued
	caps.ReceiveMaximum = uint16(s.opts.MaxInflight)
	caps.MinimumProtocolVersion = 4
	caps.TopicAliasMaximum = 0
	caps.MaximumSessionExpiryInterval = 0
	return &mochi.Options{
		Capabilities:             caps,
		ClientNetWriteBufferSize: 512,
		ClientNetReadBufferSize:  512,
		Logger:                   slog.New(slog.DiscardHandler), // the events are logged here
		SysTopicResendInterval:   int64(time.Hour / time.Second),
	}
}
