// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"net"
	"net/http"
	"net/netip"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
)

// Cookies returns the values that cookies finds.
func Cookies(headers ...string) (values []string) {
	cookies(headers, func(v string) bool {
		values = append(values, v)
		return true
	})
	return values
}

// LockoutSizes returns how many entries the tables of a have.
func LockoutSizes(a *Access) (users, addrs, good int) {
	a.lock.mu.Lock()
	defer a.lock.mu.Unlock()
	return len(a.lock.users), len(a.lock.addrs), len(a.lock.good)
}

// Origin returns who has sent r over a connection from peer.
func Origin(t *testing.T, o Options, r *http.Request, peer netip.AddrPort) netip.AddrPort {
	t.Helper()
	o.Handler = nobody{}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	c := &conn{Conn: at{peer: net.TCPAddrFromAddrPort(peer)}, srv: s}
	return s.originOf(r, c).remote
}

type nobody struct{ Handler }

// at is a connection that only has an address.
type at struct {
	net.Conn
	peer net.Addr
}

func (a at) RemoteAddr() net.Addr { return a.peer }

// Watched returns how many devices s remembers.
func Watched(s *Server) int {
	s.watch.mu.Lock()
	defer s.watch.mu.Unlock()
	return len(s.watch.traces)
}

// PeekDevice is peekDevice.
func PeekDevice(body []byte) cwmp.DeviceID { return peekDevice(body) }

// MemoryUsed returns how many bytes of bodies s counts.
func MemoryUsed(s *Server) int64 {
	s.memory.mu.Lock()
	defer s.memory.mu.Unlock()
	return s.memory.used
}
