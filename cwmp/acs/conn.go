// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// conn is one TCP connection of a CPE. It remembers the session that was last
// served over it, for CPE that do not return the cookie [quirk 28]. One that ends
// at another node has no Conn.
type conn struct {
	net.Conn
	srv    *Server
	known  sync.Once // remote
	remote netip.AddrPort
	spare  bool // above MaxConns: only for who has a session
	judged bool // by judge
	// counted is the address for which Server.perAddress has it; zero: none. It
	// belongs to that one's lock.
	counted netip.Addr
	sess    atomic.Pointer[session]
	closed  atomic.Bool

	// Of one that ends at another node.
	secure bool
	cert   *x509.Certificate
}

// addr is the address of the other end. It may wait for what a proxy has to say
// of it, so it is for the connection's own goroutine.
func (c *conn) addr() netip.AddrPort {
	c.known.Do(func() {
		if c.Conn != nil {
			c.remote = addrPort(c.RemoteAddr())
		}
	})
	return c.remote
}

// Read has the connection judged first.
func (c *conn) Read(b []byte) (int, error) {
	if !c.judged {
		c.judged = true
		c.judge()
	}
	return c.Conn.Read(b) //nolint:wrapcheck // net/http looks at the error's type
}

// Close closes the connection and tells its session.
func (c *conn) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		c.srv.conns.Add(-1)
		if c.srv.opts.MaxConnsPerAddress > 0 {
			c.srv.perAddress.give(c)
		}
		if s := c.sess.Load(); s != nil {
			s.connClosed(c)
		}
	}
	return c.Conn.Close()
}

// SetReadDeadline implements net.Conn. It shortens the time for which net/http
// leaves a connection idle that is of no session.
func (c *conn) SetReadDeadline(t time.Time) error {
	if !t.IsZero() {
		if s := c.sess.Load(); s == nil || s.over.Load() {
			if until := time.Now().Add(c.srv.opts.FreeIdleTimeout); t.After(until) {
				t = until
			}
		}
	}
	return c.Conn.SetReadDeadline(t) //nolint:wrapcheck // net/http looks at the error's type
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
	_ = c.Conn.SetReadDeadline(t)
}

func (c *conn) writeWithin(d time.Duration) {
	if c.Conn == nil {
		return
	}
	_ = c.SetWriteDeadline(time.Now().Add(d))
}

// listener wraps every accepted connection in a conn and closes at once what
// exceeds MaxConns and the spare ones.
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
		limit := int64(l.srv.opts.MaxConns)
		n := l.srv.conns.Add(1)
		if n > limit+limit/spareConns {
			l.srv.conns.Add(-1)
			l.srv.met.reject(rejectConns)
			_ = c.Close()
			continue
		}
		return &conn{Conn: c, srv: l.srv, spare: n > limit}, nil
	}
}

// spareConns is which part of MaxConns may be above it.
const spareConns = 8

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
