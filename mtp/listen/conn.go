// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package listen

import (
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
)

// counted is a connection that came without a proxy.
type counted struct {
	net.Conn
	limits *limits
	gone   atomic.Bool
}

// Close implements net.Conn.
func (c *counted) Close() error {
	if !c.gone.Swap(true) {
		c.limits.give(AddressOf(c.RemoteAddr()))
	}
	return c.Conn.Close()
}

// CloseWrite ends the own side only.
func (c *counted) CloseWrite() error { return closeWrite(c.Conn) }

// SyscallConn implements syscall.Conn.
func (c *counted) SyscallConn() (syscall.RawConn, error) { return syscallConn(c.Conn) }

func syscallConn(c net.Conn) (syscall.RawConn, error) {
	if raw, ok := c.(syscall.Conn); ok {
		return raw.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// AddressOf returns the IP address of a without the port, an IPv4 address never
// mapped into IPv6; the zero Addr if there is none.
func AddressOf(a net.Addr) netip.Addr {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap()
	case *net.UDPAddr:
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// Loopback reports whether both ends of c are on this host: addresses of the
// loopback network, or a Unix socket. It is false for a connection from a
// trusted proxy: whoever stands behind it is elsewhere. TLS is looked through.
func Loopback(c net.Conn) bool {
	for {
		if _, ok := c.(*proxied); ok {
			return false
		}
		inner, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		c = inner.NetConn()
	}
	return local(c.LocalAddr()) && local(c.RemoteAddr())
}

func local(a net.Addr) bool {
	if _, ok := a.(*net.UnixAddr); ok {
		return true
	}
	return AddressOf(a).IsLoopback()
}
