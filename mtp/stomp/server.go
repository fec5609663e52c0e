// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/listen"
)

// Server is the server role: an mtp.Transport to which Endpoints connect as to
// a STOMP broker [R-STOMP.33].
type Server struct {
	opts     ServerOptions
	metrics  *mtp.KindMetrics
	listener net.Listener
	handler  mtp.Handler
	keeper   keeper
	rest     time.Duration
	wg       sync.WaitGroup // connections, each with one goroutine

	mu       sync.Mutex
	draining bool
	links    map[*link]struct{}
}

var _ mtp.Transport = (*Server)(nil)

// NewServer checks o and allocates; Listen binds.
func NewServer(o ServerOptions) (*Server, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	metrics, err := mtp.NewMetrics(o.Metrics, mtp.STOMP)
	if err != nil {
		return nil, fmt.Errorf("stomp: %w", err)
	}
	return &Server{opts: o, metrics: metrics, rest: restAfter, links: make(map[*link]struct{})}, nil
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
		return fmt.Errorf("stomp: %s: %w", s.opts.Name, err)
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

// Run implements mtp.Transport. When ctx ends, every connection is closed after
// what is queued for it has been written, and has CloseTimeout to end.
func (s *Server) Run(ctx context.Context, h mtp.Handler) error {
	if s.listener == nil {
		return errors.New("stomp: Run without Listen")
	}
	s.handler = h
	keeping, stopKeeping := context.WithCancel(context.WithoutCancel(ctx))
	var keeper sync.WaitGroup
	keeper.Go(func() { s.keeper.run(keeping) })
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
	stopKeeping()
	keeper.Wait()
	return err
}

// accept takes connections until ctx ends or the listener fails for good.
func (s *Server) accept(ctx context.Context) error {
	for {
		raw, err := s.listener.Accept()
		switch {
		case err == nil:
			s.admit(raw)
		case ctx.Err() != nil:
			return nil //nolint:nilerr // the listener was closed because ctx has ended
		default:
			return fmt.Errorf("stomp: accept: %w", err)
		}
	}
}

// admit gives a connection its goroutine.
func (s *Server) admit(raw net.Conn) {
	if s.opts.TLS != nil {
		raw = tls.Server(raw, s.opts.TLS)
	}
	l := newLink(s, raw)
	// The deadline of TLS and the STOMP frame; then comes that of frames.
	if err := raw.SetDeadline(time.Now().Add(s.opts.HandshakeTimeout)); err != nil {
		l.stop()
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		l.stop()
		return
	}
	s.links[l] = struct{}{}
	s.wg.Add(1)
	go s.serve(l)
}

// serve is the life of a connection, on a goroutine of its own, which is
// another one after each rest.
func (s *Server) serve(l *link) {
	if err := l.run(); errors.Is(err, errRest) {
		go s.serve(l)
	} else {
		s.finish(l, err)
	}
}

// finish is the end of a connection. The router hears of it before the client
// has closed its side.
func (s *Server) finish(l *link, err error) {
	defer s.wg.Done()
	s.keeper.remove(&l.core)
	told := l.lastWords(err)
	if !told {
		l.stop()
	}
	l.end(err)
	if told {
		l.conn.linger(s.opts.CloseTimeout)
		l.stop()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.links, l)
}

// drain takes no more clients and closes those that there are.
func (s *Server) drain() {
	_ = s.listener.Close() // which ends accept
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	for l := range s.links {
		if l.established.Load() {
			l.Close(mtp.ErrDraining)
		} else {
			l.stop() // nothing has been promised
		}
	}
}

// incomplete counts a connection that has ended before its STOMP frame was
// complete; one without a single byte is a probe.
func (s *Server) incomplete(l *link, err error) {
	if !l.conn.heard.Load() && errors.Is(err, io.EOF) {
		return
	}
	s.metrics.Rejected(mtp.RejectHandshake)
	s.opts.Log.Debug("no valid STOMP frame", zap.Error(err), zap.String("remote", l.remote))
}
