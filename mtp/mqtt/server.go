// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
)

// Server is the server role: an mtp.Transport with an embedded broker.
type Server struct {
	opts     ServerOptions
	metrics  *mtp.KindMetrics
	listener net.Listener
	broker   *mochi.Server
	handler  mtp.Handler
	open     atomic.Int64 // connections

	mu      sync.Mutex
	links   map[*link]struct{}
	closing sync.Map // *link → packets.Code of its DISCONNECT
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
	return &Server{opts: o, metrics: metrics, links: map[*link]struct{}{}}, nil
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

// Run implements mtp.Transport.
func (s *Server) Run(ctx context.Context, h mtp.Handler) error {
	if s.listener == nil {
		return errors.New("mqtt: Run without Listen")
	}
	s.handler = h
	s.broker = mochi.New(s.brokerOptions())
	if err := s.broker.AddHook(&hook{server: s}, nil); err != nil {
		return fmt.Errorf("mqtt: %w", err)
	}
	guarded := &guardedListener{Listener: s.listener, server: s}
	if err := s.broker.AddListener(listeners.NewNet(s.opts.Name, guarded)); err != nil {
		return fmt.Errorf("mqtt: %w", err)
	}
	if err := s.broker.Serve(); err != nil {
		return fmt.Errorf("mqtt: %w", err)
	}
	<-ctx.Done()
	_ = s.listener.Close() // no more clients; the broker closes it again
	s.drain()
	if err := s.broker.Close(); err != nil {
		return fmt.Errorf("mqtt: %w", err)
	}
	return nil
}

// drain closes every link and waits until it has written what it has.
func (s *Server) drain() {
	s.mu.Lock()
	links := make([]*link, 0, len(s.links))
	for l := range s.links {
		links = append(links, l)
	}
	s.mu.Unlock()
	for _, l := range links {
		l.Close(mtp.ErrDraining)
	}
	for _, l := range links {
		<-l.out.Done()
	}
}

func (s *Server) brokerOptions() *mochi.Options {
	caps := mochi.NewDefaultServerCapabilities()
	caps.MaximumPacketSize = uint32(s.opts.MaxRecord + overhead)
	caps.MaximumClients = int64(s.opts.MaxConnections)
	caps.MaximumClientWritesPending = 64
	caps.ReceiveMaximum = uint16(s.opts.MaxInflight)
	caps.MinimumProtocolVersion = 4
	if !s.opts.AllowPlain {
		caps.RetainAvailable = 0
		caps.SharedSubAvailable = 0
	}
	return &mochi.Options{
		Capabilities:             caps,
		ClientNetWriteBufferSize: 512,
		ClientNetReadBufferSize:  512,
		Logger:                   slog.New(slog.DiscardHandler), // the events are logged here
		SysTopicResendInterval:   int64(time.Hour / time.Second),
	}
}

// guardedListener bounds connections and wraps them.
type guardedListener struct {
	net.Listener

	server *Server
}

// Accept returns the next connection that there is room for.
func (g *guardedListener) Accept() (net.Conn, error) {
	s := g.server
	for {
		raw, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if s.open.Add(1) > int64(s.opts.MaxConnections) {
			s.open.Add(-1)
			s.metrics.Rejected(mtp.RejectConnections)
			s.opts.Log.Warn("connection refused: too many", zap.String("remote", raw.RemoteAddr().String()))
			_ = raw.Close()
			continue
		}
		if s.opts.TLS != nil {
			raw = tls.Server(raw, s.opts.TLS)
		}
		// The deadline of TLS and CONNECT; the broker sets that of the keep-alive.
		if err := raw.SetReadDeadline(time.Now().Add(s.opts.HandshakeTimeout)); err != nil {
			s.open.Add(-1)
			_ = raw.Close()
			continue
		}
		return &conn{
			Conn: raw, writeTimeout: s.opts.WriteTimeout, closed: func() { s.open.Add(-1) },
		}, nil
	}
}
