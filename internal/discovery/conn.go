// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// mdnsPort is that of Multicast DNS, whoever sends from another one is a simple
// resolver [RFC 6762 6.7].
const mdnsPort = 5353

// freshAddrs is how long the addresses of an interface are believed.
const freshAddrs = 10 * time.Second

// PacketConn is the multicast group on one interface. Its methods are safe for
// concurrent use, ReadFrom by one goroutine.
type PacketConn interface {
	// ReadFrom waits for a packet from the link of the interface.
	ReadFrom(p []byte) (n int, from netip.AddrPort, err error)
	// WriteTo sends p to one host, or with the zero AddrPort to the group.
	WriteTo(p []byte, to netip.AddrPort) error
	// Addrs are the addresses of this host on the interface.
	Addrs() []netip.Addr
	// Close ends ReadFrom with an error that wraps net.ErrClosed.
	Close() error
}

// open makes the sockets: one per interface and family, where that is there.
func open(names []string) ([]PacketConn, error) {
	interfaces, err := choose(names)
	if err != nil {
		return nil, err
	}
	var conns []PacketConn
	var failed error
	for i := range interfaces {
		for _, f := range []func(net.Interface) (*socket, error){openIPv4, openIPv6} {
			s, err := f(interfaces[i])
			if err != nil {
				failed = fmt.Errorf("discovery: %s: %w", interfaces[i].Name, err)
				continue
			}
			conns = append(conns, s)
		}
	}
	if len(conns) == 0 {
		return nil, errors.Join(errors.New("discovery: no interface on which to multicast"), failed)
	}
	return conns, nil
}

func choose(names []string) ([]net.Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("discovery: interfaces: %w", err)
	}
	var chosen []net.Interface
	for _, name := range names {
		ifi, err := net.InterfaceByName(name)
		if err != nil {
			return nil, fmt.Errorf("discovery: interface %s: %w", name, err)
		}
		chosen = append(chosen, *ifi)
	}
	if len(names) > 0 {
		return chosen, nil
	}
	for i := range all {
		flags := all[i].Flags
		if flags&net.FlagUp != 0 && flags&net.FlagMulticast != 0 && flags&net.FlagLoopback == 0 {
			chosen = append(chosen, all[i])
		}
	}
	return chosen, nil
}

// socket is a PacketConn on the network.
type socket struct {
	conn  *net.UDPConn
	ifi   net.Interface
	group netip.AddrPort
	// read also tells on which interface the packet came.
	read func(p []byte) (n, ifIndex int, from net.Addr, err error)

	mu       sync.Mutex
	prefixes []netip.Prefix
	looked   time.Time
}

// openIPv4 joins 224.0.0.251.
func openIPv4(ifi net.Interface) (*socket, error) {
	s := &socket{ifi: ifi, group: netip.AddrPortFrom(netip.AddrFrom4([4]byte{224, 0, 0, 251}), mdnsPort)}
	if err := s.join("udp4"); err != nil {
		return nil, err
	}
	p := ipv4.NewPacketConn(s.conn)
	err := errors.Join(
		p.SetMulticastInterface(&ifi), p.SetMulticastTTL(255), p.SetTTL(255), // [RFC 6762 11]
		p.SetMulticastLoopback(true), p.SetControlMessage(ipv4.FlagInterface, true))
	if err != nil {
		_ = s.conn.Close() // nothing was sent
		return nil, err
	}
	s.read = func(b []byte) (int, int, net.Addr, error) {
		n, cm, from, err := p.ReadFrom(b)
		if cm == nil {
			return n, 0, from, err
		}
		return n, cm.IfIndex, from, err
	}
	return s, nil
}

// openIPv6 joins ff02::fb.
func openIPv6(ifi net.Interface) (*socket, error) {
	group := netip.MustParseAddr("ff02::fb").WithZone(ifi.Name)
	s := &socket{ifi: ifi, group: netip.AddrPortFrom(group, mdnsPort)}
	if err := s.join("udp6"); err != nil {
		return nil, err
	}
	p := ipv6.NewPacketConn(s.conn)
	err := errors.Join(
		p.SetMulticastInterface(&ifi), p.SetMulticastHopLimit(255), p.SetHopLimit(255), // [RFC 6762 11]
		p.SetMulticastLoopback(true), p.SetControlMessage(ipv6.FlagInterface, true))
	if err != nil {
		_ = s.conn.Close() // nothing was sent
		return nil, err
	}
	s.read = func(b []byte) (int, int, net.Addr, error) {
		n, cm, from, err := p.ReadFrom(b)
		if cm == nil {
			return n, 0, from, err
		}
		return n, cm.IfIndex, from, err
	}
	return s, nil
}

// join binds a socket that others on this host may share; an interface without
// an address of the family is none.
func (s *socket) join(network string) error {
	ok := false
	for _, a := range s.Addrs() {
		ok = ok || a.Is4() == (network == "udp4")
	}
	if !ok {
		return errors.New("no address for " + network)
	}
	conn, err := net.ListenMulticastUDP(network, &s.ifi, net.UDPAddrFromAddrPort(s.group))
	if err != nil {
		return fmt.Errorf("join the group: %w", err)
	}
	s.conn = conn
	return nil
}

// ReadFrom implements PacketConn. What came over another interface, or from
// somewhere else than the link, is left out [RFC 6762 11].
func (s *socket) ReadFrom(p []byte) (int, netip.AddrPort, error) {
	for {
		n, index, from, err := s.read(p)
		if err != nil {
			return 0, netip.AddrPort{}, err
		}
		udp, ok := from.(*net.UDPAddr)
		if !ok || index != 0 && index != s.ifi.Index {
			continue
		}
		ap := udp.AddrPort()
		ap = netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
		if s.ifi.Flags&net.FlagLoopback != 0 || s.onLink(ap.Addr()) { // on loopback nobody else is
			return n, ap, nil
		}
	}
}

// WriteTo implements PacketConn.
func (s *socket) WriteTo(p []byte, to netip.AddrPort) error {
	if !to.IsValid() {
		to = s.group
	}
	_, err := s.conn.WriteToUDPAddrPort(p, to)
	return err
}

// Addrs implements PacketConn. Addresses of the other family are told too.
func (s *socket) Addrs() []netip.Addr {
	var addrs []netip.Addr
	for _, p := range s.networks() {
		addrs = append(addrs, p.Addr())
	}
	return addrs
}

// Close implements PacketConn.
func (s *socket) Close() error { return s.conn.Close() }

func (s *socket) onLink(a netip.Addr) bool {
	if a.IsLinkLocalUnicast() {
		return true
	}
	for _, p := range s.networks() {
		if p.Contains(a.WithZone("")) {
			return true
		}
	}
	return false
}

// networks are those of the interface, as they were a moment ago.
func (s *socket) networks() []netip.Prefix {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.looked) < freshAddrs {
		return s.prefixes
	}
	addrs, err := s.ifi.Addrs()
	if err != nil {
		return s.prefixes // those of before are better than none
	}
	s.looked, s.prefixes = time.Now(), nil
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			s.prefixes = append(s.prefixes, p)
		}
	}
	return s.prefixes
}

// pause waits for d or the end of ctx and reports whether it was d.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
