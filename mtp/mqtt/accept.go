// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
)

// How long accept rests after a failure, such as too many open files.
const (
	minRest = 5 * time.Millisecond
	maxRest = time.Second
)

// accept takes connections until ctx ends or the listener fails for good.
func (s *Server) accept(ctx context.Context) error {
	rest := minRest
	for {
		raw, err := s.listener.Accept()
		switch {
		case err == nil:
			rest = minRest
			s.admit(raw)
			continue
		case ctx.Err() != nil:
			return nil //nolint:nilerr // the listener was closed because ctx has ended
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("mqtt: %w", err)
		}
		s.opts.Log.Warn("accept failed", zap.Error(err), zap.Duration("rest", rest))
		timer := time.NewTimer(rest)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
		rest = min(2*rest, maxRest)
	}
}

// admit gives a connection its goroutine, if there is room for it.
func (s *Server) admit(raw net.Conn) {
	address := addressOf(raw.RemoteAddr())
	if reason, ok := s.limiter.take(address); !ok {
		s.metrics.Rejected(reason)
		_ = raw.Close() // nothing was said, nothing can be lost
		return
	}
	if s.opts.TLS != nil {
		raw = tls.Server(raw, s.opts.TLS)
	}
	c := &conn{
		Conn: raw, writeTimeout: s.opts.WriteTimeout,
		gate:   newGate(s.opts.MaxRecord+overhead, s.opts.MaxControl),
		closed: func() { s.limiter.give(address) },
	}
	// The deadline of TLS and CONNECT; the broker sets that of the keep-alive.
	if err := raw.SetDeadline(time.Now().Add(s.opts.HandshakeTimeout)); err != nil {
		_ = c.Close()
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		_ = c.Close()
		return
	}
	s.conns[c] = struct{}{}
	s.wg.Go(func() { s.serve(c) })
}

// serve is the life of a connection, on a goroutine of its own.
func (s *Server) serve(c *conn) {
	err := s.establish(c)
	_ = c.Close() // it has been closed before unless the broker has panicked
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	l := c.link
	if l == nil {
		s.incomplete(c, err)
		return
	}
	s.forget(l)
	l.end(err)
	close(l.gone)
}

// establish has the broker serve c. What panics in it costs this client only.
func (s *Server) establish(c *conn) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("mqtt: panic: %v", r)
			s.opts.Log.Error("panic while serving a client", zap.Any("panic", r),
				zap.String("remote", c.RemoteAddr().String()), zap.ByteString("stack", debug.Stack()))
		}
	}()
	return s.broker.EstablishConnection(s.opts.Name, c)
}

// incomplete counts a connection that has ended before its CONNECT was
// complete; one without a single byte is a probe.
func (s *Server) incomplete(c *conn, err error) {
	if !c.heard && errors.Is(err, io.EOF) {
		return
	}
	s.metrics.Rejected(mtp.RejectHandshake)
	s.opts.Log.Debug("no valid CONNECT", zap.Error(err), zap.String("remote", c.RemoteAddr().String()))
}

// forget removes what the broker may keep of a client that has gone, or has
// never come up entirely.
func (s *Server) forget(l *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.links[l.client.ID] == l {
		delete(s.links, l.client.ID)
	}
	if cl, ok := s.broker.Clients.Get(l.client.ID); ok && cl == l.client {
		s.broker.Clients.Delete(l.client.ID)
	}
}
