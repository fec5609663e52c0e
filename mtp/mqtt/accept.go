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
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
)

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
			return fmt.Errorf("mqtt: %w", err)
		}
	}
}

// admit gives a connection its goroutine.
func (s *Server) admit(raw net.Conn) {
	if s.opts.TLS != nil {
		raw = tls.Server(raw, s.opts.TLS)
	}
	c := &conn{Conn: raw, writeTimeout: s.opts.WriteTimeout}
	// The deadline of TLS and CONNECT; then comes that of the keep-alive.
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

// incomplete counts a connection that has ended before its CONNECT was
// complete; one without a single byte is a probe.
func (s *Server) incomplete(c *conn, err error) {
	if !c.heard && errors.Is(err, io.EOF) {
		return
	}
	s.metrics.Rejected(mtp.RejectHandshake)
	s.opts.Log.Debug("no valid CONNECT", zap.Error(err), zap.String("remote", c.RemoteAddr().String()))
}

// forget takes a connection that has ended off the lists.
func (s *Server) forget(l *link) {
	l.unsubscribeAll()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, l.conn)
	if s.links[l.clientID] == l {
		delete(s.links, l.clientID)
	}
}
