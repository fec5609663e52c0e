// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package uds

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
)

// Server is the server role: an mtp.Transport that binds a socket and whose
// Links are the connections that it accepts [R-UDS.2].
type Server struct {
	opts    ServerOptions
	metrics *mtp.KindMetrics
	buffers buffers
	ln      net.Listener // after Listen
	handler mtp.Handler

	mu       sync.Mutex
	draining bool
	waiting  map[*wire]struct{} // handshakes
	links    map[*link]struct{}
	all      sync.WaitGroup // goroutines of handshakes and Links
}

// NewServer checks o and allocates; Listen binds, Run serves.
func NewServer(o ServerOptions) (*Server, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	metrics, err := mtp.NewMetrics(o.Metrics, mtp.UDS)
	if err != nil {
		return nil, fmt.Errorf("uds: %w", err)
	}
	return &Server{
		opts: o, metrics: metrics,
		waiting: make(map[*wire]struct{}), links: make(map[*link]struct{}),
	}, nil
}

// Name implements mtp.Transport.
func (s *Server) Name() string { return s.opts.Name }

// Listen implements mtp.Transport: the socket is there afterwards, with its
// owner and permissions.
func (s *Server) Listen(ctx context.Context) error {
	ln, err := s.opts.bind(ctx)
	s.ln = ln
	return err
}

// Addr implements mtp.Transport: the path of the socket.
func (s *Server) Addr() string { return s.opts.Listen }

// Run implements mtp.Transport. It calls Listen if nobody has. When ctx ends it
// removes the socket and closes every Link with mtp.ErrDraining, which takes at
// most twice CloseTimeout.
func (s *Server) Run(ctx context.Context, h mtp.Handler) error {
	if s.ln == nil {
		if err := s.Listen(ctx); err != nil {
			return err
		}
	}
	s.handler = h
	accepting := make(chan error, 1)
	var accept sync.WaitGroup
	accept.Go(func() { accepting <- s.accept(ctx) })
	var err error
	select {
	case <-ctx.Done():
	case err = <-accepting:
	}
	s.drain()
	accept.Wait()
	s.all.Wait()
	return err
}

// accept takes connections until the listener is closed.
func (s *Server) accept(ctx context.Context) error {
	for rest := firstRest; ; {
		conn, err := s.ln.Accept()
		switch {
		case err == nil:
			rest = firstRest
			s.greet(ctx, conn)
		case errors.Is(err, net.ErrClosed):
			return nil
		case !temporary(err):
			return fmt.Errorf("uds: accept: %w", err)
		default:
			if rest == firstRest {
				s.opts.Log.Warn("accepting connections has to rest", zap.Error(err))
			}
			pause(ctx, rest)
			rest = min(2*rest, longRest)
		}
	}
}

// greet starts the handshake of a connection, or closes what is too many.
func (s *Server) greet(ctx context.Context, conn net.Conn) {
	h := &handshake{opts: &s.opts.LinkOptions, tls: s.opts.TLS, auth: s.opts.Auth}
	h.wire = newWire(conn, &s.buffers, h.opts)
	if !s.enter(h.wire) {
		h.wire.kill()
		return
	}
	go s.serve(ctx, h) // all waits for it
}

// drain stops accepting, ends what has not shaken hands yet, and closes the
// Links.
func (s *Server) drain() {
	if err := s.ln.Close(); err != nil {
		s.opts.Log.Warn("closing the listener failed", zap.Error(err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	for w := range s.waiting {
		w.kill()
	}
	for l := range s.links {
		l.Close(mtp.ErrDraining)
	}
}

// enter counts a handshake unless there are too many connections or draining
// has begun. all.Done follows.
func (s *Server) enter(w *wire) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return false
	}
	if limit := s.opts.MaxConnections; limit > 0 && len(s.waiting)+len(s.links) >= limit {
		s.metrics.Rejected(mtp.RejectConnections)
		return false
	}
	s.all.Add(1)
	s.waiting[w] = struct{}{}
	return true
}

// become makes a Link of a handshake, unless draining has begun.
func (s *Server) become(w *wire, l *link) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiting, w)
	if !s.draining {
		s.links[l] = struct{}{}
	}
	return !s.draining
}

// leave is the end of what enter began; l is nil if no Link has come of it.
func (s *Server) leave(w *wire, l *link) {
	defer s.all.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiting, w)
	delete(s.links, l)
}

// serve is the goroutine of a handshake; the Link lives on in one of its own,
// whose small stack is all that remains.
func (s *Server) serve(ctx context.Context, h *handshake) {
	var peer mtp.Peer
	err := guard(func() (err error) {
		peer, err = s.shake(ctx, h)
		return err
	})
	if err != nil {
		defer s.leave(h.wire, nil)
		s.refuse(h, err)
		return
	}
	l := newLink(h.wire, h.opts, s.metrics)
	if !s.become(h.wire, l) {
		defer s.leave(h.wire, nil)
		h.wire.kill()
		return
	}
	// [R-UDS.17]
	if err := l.introduce(s.handler, peer, appendFrame(nil, fieldHandshake, string(h.opts.own()))); err != nil {
		s.left(l, "link refused", err)
		return
	}
	l.logger().Info("link up")
	go s.own(l) // all waits for it
}

// shake waits for the client's Handshake [R-UDS.17]; ours follows when the
// router has taken the Link.
func (s *Server) shake(ctx context.Context, h *handshake) (mtp.Peer, error) {
	if err := h.admit(ctx); err != nil {
		return mtp.Peer{}, err
	}
	id, err := h.await()
	if err != nil {
		return mtp.Peer{}, err
	}
	return h.peer(id, h.creds.String())
}

// own is the goroutine of one Link.
func (s *Server) own(l *link) {
	l.live()
	s.left(l, "link down", l.ending.Cause())
}

// left is the end of a Link.
func (s *Server) left(l *link, event string, cause error) {
	defer s.leave(l.wire, l)
	l.logger().Info(event, zap.Error(cause))
}

// refuse ends a handshake that failed.
func (s *Server) refuse(h *handshake, cause error) {
	defer h.wire.kill()
	reason, level := mtp.RejectHandshake, zap.DebugLevel
	switch {
	case errors.Is(cause, errNotAllowed):
		reason, level = mtp.RejectAuth, zap.WarnLevel // somebody to look at
	case errors.Is(cause, errNotThis):
		reason, level = mtp.RejectIdentity, zap.WarnLevel
	}
	s.metrics.Rejected(reason)
	s.opts.Log.Log(level, "handshake refused", zap.Stringer("remote", h.creds), zap.Error(cause))
	h.dismiss(cause)
}
