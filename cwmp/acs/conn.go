// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// conn is one TCP connection of a CPE. It remembers the session that was last
// served over it, for CPE that do not return the cookie [quirk 28]. One that ends
// at another node has no Conn.
type conn struct {
	net.Conn
	srv    *Server
	remote netip.AddrPort
	sess   atomic.Pointer[session]
	closed atomic.Bool
}

// Close closes the connection and tells its session.
func (c *conn) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		c.srv.conns.Add(-1)
		if s := c.sess.Load(); s != nil {
			s.connClosed(c)
		}
	}
	return c.Conn.Close()
}

// readWithin sets the read deadline d from now; 0 takes it away. The error of a
// dead connection shows up in the read that follows.
func (c *conn) readWithin(d time.Duration) {
	if c.Conn == nil { // of another node
		return
	}
	var t time.Time
	if d > 0 {
		t = time.Now().Add(d)
	}
	_ = c.SetReadDeadline(t)
}

func (c *conn) writeWithin(d time.Duration) {
	if c.Conn == nil {
		return
	}
	_ = c.SetWriteDeadline(time.Now().Add(d))
}

// listener wraps every accepted connection in a conn and closes at once what
// exceeds MaxConns.
type listener struct {
	net.Listener
	srv *Server
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err //nolint:wrapcheck // net/http looks at the error's type
		}
		if l.srv.conns.Add(1) > int64(l.srv.opts.MaxConns) {
			l.srv.conns.Add(-1)
			l.srv.met.reject(rejectConns)
			_ = c.Close()
			continue
		}
		return &conn{Conn: c, srv: l.srv, remote: addrPort(c.RemoteAddr())}, nil
	}
}

func addrPort(a net.Addr) netip.AddrPort {
	var ap netip.AddrPort
	if t, ok := a.(*net.TCPAddr); ok {
		ap = t.AddrPort()
	} else if p, err := netip.ParseAddrPort(a.String()); err == nil {
		ap = p
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

type connKey struct{}

// withConn is the http.Server's ConnContext.
func withConn(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	return context.WithValue(ctx, connKey{}, c)
}

func connOf(ctx context.Context) *conn {
	c, _ := ctx.Value(connKey{}).(*conn)
	return c
}
