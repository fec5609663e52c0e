// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package udp

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/uspgate/uspgate/cwmp/connreq"
)

// maxFromSource is to how many bindings of a source address a request goes. Those
// of other CPE ignore what is not signed with their password.
const maxFromSource = 4

// destination is where a Connection Request goes, and from which socket.
type destination struct {
	addr   netip.AddrPort
	socket int
}

// Reaches reports whether the CPE has announced an address or was heard of.
func (s *Server) Reaches(c *connreq.CPE) bool {
	return c.UDPAddress != "" || s.Heard(c)
}

// Heard reports whether the CPE was heard of at this Server.
func (s *Server) Heard(c *connreq.CPE) bool { return len(s.bound(c)) > 0 }

// Request sends a Connection Request in several copies [TR-069 G.2.2.3]: to where
// the CPE asked for its binding last, and to the address it has announced. There
// is no answer to it.
//
// TS is the clock, or one second more than in the last request to that CPE: it
// increases over a restart as long as the clock is right and a CPE is asked less
// than once a second.
func (s *Server) Request(ctx context.Context, c *connreq.CPE, l connreq.Login) (string, error) {
	if l == (connreq.Login{}) {
		return "", fmt.Errorf("%w: none known", connreq.ErrCredentials)
	}
	to, err := s.destinations(ctx, c)
	if err != nil {
		return c.UDPAddress, err
	}
	var id [4]byte
	_, _ = rand.Read(id[:]) // never fails
	d := Datagram{
		TS: s.nextStamp(c, time.Now()), ID: uint64(binary.BigEndian.Uint32(id[:])), Username: l.Username,
		Nonce: rand.Text()[:16],
	}
	names := make([]string, len(to))
	for i := range to {
		names[i] = to[i].addr.String()
	}
	return strings.Join(names, " "), s.send(ctx, &d, to, l.Password)
}

// send sends the copies.
func (s *Server) send(ctx context.Context, d *Datagram, to []destination, password string) error {
	datagrams := make([][]byte, len(to))
	for i := range to {
		datagrams[i] = d.Append(nil, to[i].addr.String(), password)
		if len(datagrams[i]) > maxDatagram {
			return fmt.Errorf("%w: the user name is too long for a datagram", connreq.ErrCredentials)
		}
	}
	var sent bool
	var failed error
	for copies := range s.opts.Copies {
		if copies > 0 && !wait(ctx, s.opts.CopyInterval) {
			return fmt.Errorf("connreq/udp: %w", context.Cause(ctx))
		}
		for i := range to {
			_, err := s.sockets[to[i].socket].WriteToUDPAddrPort(datagrams[i], to[i].addr)
			sent = sent || err == nil
			failed = err
		}
	}
	if !sent {
		return fmt.Errorf("%w: %w", connreq.ErrUnreachable, failed)
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// nextStamp is the TS of the next request to c.
func (s *Server) nextStamp(c *connreq.CPE, now time.Time) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	ts := uint64(max(now.Unix(), 1))
	if last, ok := s.stamp.Get(c.Key); ok {
		ts = max(ts, last+1)
	}
	s.stamp.Put(c.Key, ts)
	return ts
}

// bound returns the bindings of c: the one that has proved its user name, or those
// of the address from where it came last.
func (s *Server) bound(c *connreq.CPE) []binding {
	now := time.Now()
	if c.STUNUsername != "" {
		if b, ok := s.bindings.of(c.STUNUsername, now); ok {
			return []binding{b}
		}
	}
	if !c.Source.IsValid() {
		return nil
	}
	list := s.bindings.from(c.Source.Unmap(), now)
	return list[:min(len(list), maxFromSource)]
}

// destinations are where c may be, at least one if the error is nil.
func (s *Server) destinations(ctx context.Context, c *connreq.CPE) ([]destination, error) {
	var to []destination
	var refused error
	add := func(a netip.AddrPort, socket int) {
		source := c.Source
		if b, ok := s.bindings.of(c.STUNUsername, time.Now()); ok && b.addr == a {
			source = a.Addr() // proved by the password for STUN
		}
		if err := s.opts.Guard.Check(a.Addr(), source); err != nil {
			refused = err
		} else if socket < 0 {
			refused = fmt.Errorf("%w: no socket of its address family", connreq.ErrUnreachable)
		} else if !slices.ContainsFunc(to, func(o destination) bool { return o.addr == a }) {
			to = append(to, destination{a, socket})
		}
	}
	for _, b := range s.bound(c) {
		add(b.addr, b.socket)
	}
	announced, err := s.announced(ctx, c.UDPAddress)
	if err != nil {
		refused = err
	}
	for _, a := range announced {
		add(a, s.socketFor(a))
	}
	if len(to) == 0 && refused == nil {
		refused = fmt.Errorf("%w: no address known", connreq.ErrUnreachable)
	}
	if len(to) == 0 {
		return nil, refused
	}
	return to, nil
}

// announced are the addresses of a UDPConnectionRequestAddress, at most two.
func (s *Server) announced(ctx context.Context, raw string) ([]netip.AddrPort, error) {
	if raw = strings.TrimSpace(raw); raw == "" {
		return nil, nil
	}
	host, port := strings.Trim(raw, "[]"), "80" // [TR-069 G.2.1.3]
	if h, p, err := net.SplitHostPort(raw); err == nil {
		host, port = h, p
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || host == "" {
		return nil, fmt.Errorf("%w: %q is not an address", connreq.ErrForbidden, raw)
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", connreq.ErrUnreachable, err)
	}
	list := make([]netip.AddrPort, 0, 2)
	for _, a := range addrs[:min(len(addrs), 2)] {
		list = append(list, netip.AddrPortFrom(a.Unmap(), uint16(n)))
	}
	return list, nil
}

// socketFor is the socket to send to a with: the one where it was heard, or the
// first of its address family; -1 if there is none.
func (s *Server) socketFor(a netip.AddrPort) int {
	for _, b := range s.bindings.from(a.Addr(), time.Now()) {
		if b.addr == a {
			return b.socket
		}
	}
	for i, c := range s.sockets {
		local := c.LocalAddr().(*net.UDPAddr).AddrPort().Addr()
		if local.IsUnspecified() && local.Is6() || local.Unmap().Is4() == a.Addr().Is4() {
			return i
		}
	}
	return -1
}
