// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package coap

import "net/netip"

// Usage is what a node holds.
type Usage struct{ Held, Transfers, Exchanges, Links, Messages, Lanes int }

// Feed takes a datagram as if it had come from there, and returns what the
// Server holds then.
func (s *Server) Feed(from netip.AddrPort, data []byte) Usage {
	var d decoder
	s.node.receive(way{addr: from}, data, &d)
	return s.Usage()
}

// Usage returns what the Server holds.
func (s *Server) Usage() Usage {
	n := s.node
	n.mu.Lock()
	defer n.mu.Unlock()
	return Usage{n.held, len(n.transfers.m), len(n.memory.entries), len(s.links), len(n.byMID), len(n.lanes)}
}

// ParseTarget parses a URI and writes it again.
func ParseTarget(s string) (string, error) {
	t, err := parseTarget(s)
	if err != nil {
		return "", err
	}
	t.prepare()
	return t.String(), nil
}

// Inspect reports whether a datagram is taken for DTLS.
func Inspect(b []byte) bool {
	_, ok := inspect(b)
	return ok
}
