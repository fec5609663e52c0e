// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"syscall"
)

// dialTCP connects from one of the source addresses. Many clients of one
// process share them without knowing of each other, so each begins anywhere.
func (c *Client) dialTCP(ctx context.Context, network, addr string) (net.Conn, error) {
	sources := c.opts.SourceAddresses
	if len(sources) == 0 {
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}
	var err error
	first := rand.IntN(len(sources))
	for i := range sources {
		var conn net.Conn
		conn, err = dialFrom(ctx, sources[(first+i)%len(sources)], network, addr)
		if err == nil || !sourceFailed(err) {
			return conn, err
		}
	}
	return nil, err
}

func dialFrom(ctx context.Context, source netip.Addr, network, addr string) (net.Conn, error) {
	d := net.Dialer{
		LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0)),
		Control: func(_, _ string, c syscall.RawConn) error {
			return c.Control(bindLate)
		},
	}
	return d.DialContext(ctx, network, addr)
}

// sourceFailed reports whether it was the local address that was of no use: it
// has no port left, is not this host's, or is of another family.
func sourceFailed(err error) bool {
	if errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EADDRINUSE) {
		return true
	}
	_, family := errors.AsType[*net.AddrError](err)
	return family
}
