// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package udp

import (
	"net/netip"
	"time"

	"github.com/uspgate/uspgate/cwmp/connreq"
)

// Answer is Server.answer for the first socket.
func (s *Server) Answer(b []byte, from netip.AddrPort, now time.Time) (out []byte, to netip.AddrPort, result string) {
	return s.answer(nil, b, from, 0, now)
}

// NextStamp is Server.nextStamp.
func (s *Server) NextStamp(c *connreq.CPE, now time.Time) uint64 { return s.nextStamp(c, now) }

// Bindings are from where a source has asked, newest first.
func (s *Server) Bindings(a netip.Addr, now time.Time) (list []netip.AddrPort) {
	for _, b := range s.bindings.from(a, now) {
		list = append(list, b.addr)
	}
	return list
}

// Remembered counts sources and source addresses in memory.
func (s *Server) Remembered() (sources, addrs, users int) {
	return s.limiter.sources.Len(), s.bindings.byAddr.Len(), s.bindings.byUser.Len()
}
