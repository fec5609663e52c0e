// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
)

// sendBuffer is how much the kernel is asked to take of an answer. What it has
// taken counts as sent, and a large buffer would be minutes of a slow line.
const sendBuffer = 256 * kib

// listener counts connections and closes at once what exceeds MaxConns.
type listener struct {
	net.Listener
	srv  *Server
	once sync.Once
	err  error
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err //nolint:wrapcheck // net/http looks at the error's type
		}
		if l.srv.conns.Add(1) > int64(l.srv.opts.MaxConns) {
			l.srv.conns.Add(-1)
			l.srv.met.refuse(reasonConns)
			_ = c.Close()
			continue
		}
		l.srv.sockets.Add(1)
		return &conn{Conn: c, srv: l.srv}, nil
	}
}

// Close implements net.Listener. Once is enough.
func (l *listener) Close() error {
	l.once.Do(func() { l.err = l.Listener.Close() })
	return l.err
}

// conn is one TCP connection.
type conn struct {
	net.Conn
	srv    *Server
	gone   atomic.Bool
	shrunk bool // of the goroutine that serves it
}

// Close implements net.Conn.
func (c *conn) Close() error {
	err := c.Conn.Close()
	if !c.gone.Swap(true) {
		c.srv.conns.Add(-1)
		c.srv.sockets.Done()
	}
	return err //nolint:wrapcheck // nobody of ours sees it
}

// CloseWrite ends the own side only. net/http does so a while before it closes a
// connection with a body that was not read, so that the CPE sees the answer.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite() //nolint:wrapcheck // net/http does not look at it
	}
	return nil
}

// shrink sets the send buffer, when there is a request: before, a connection from
// a proxy may still wait for what tells who is behind it.
func (c *conn) shrink() {
	if !c.shrunk {
		c.shrunk = true
		setSendBuffer(c.Conn, sendBuffer)
	}
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
