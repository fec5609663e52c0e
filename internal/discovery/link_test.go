// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/uspgate/uspgate/internal/discovery"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// link is a network in memory, on which everybody hears everybody, itself too.
type link struct {
	mu    sync.Mutex
	hosts []*host
}

type datagram struct {
	at   time.Time
	data []byte
	from netip.AddrPort
	to   netip.AddrPort // not valid: the group
}

// host is a discovery.PacketConn on a link.
type host struct {
	link   *link
	addr   netip.AddrPort
	in     chan datagram
	once   sync.Once
	closed chan struct{}
}

// join adds a host with this address and the port of Multicast DNS.
func (l *link) join(addr string) *host {
	return l.joinFrom(netip.AddrPortFrom(netip.MustParseAddr(addr), 5353))
}

func (l *link) joinFrom(addr netip.AddrPort) *host {
	h := &host{link: l, addr: addr, in: make(chan datagram, 10_000), closed: make(chan struct{})}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hosts = append(l.hosts, h)
	return h
}

func (h *host) ReadFrom(p []byte) (int, netip.AddrPort, error) {
	select {
	case d := <-h.in:
		return copy(p, d.data), d.from, nil
	case <-h.closed:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

func (h *host) WriteTo(p []byte, to netip.AddrPort) error {
	h.link.mu.Lock()
	defer h.link.mu.Unlock()
	d := datagram{time.Now(), append([]byte(nil), p...), h.addr, to}
	for _, other := range h.link.hosts {
		if !to.IsValid() || to == other.addr {
			other.in <- d
		}
	}
	return nil
}

func (h *host) Addrs() []netip.Addr {
	h.link.mu.Lock()
	defer h.link.mu.Unlock()
	return []netip.Addr{h.addr.Addr()}
}

// move gives the host another address.
func (h *host) move(addr string) {
	h.link.mu.Lock()
	defer h.link.mu.Unlock()
	h.addr = netip.AddrPortFrom(netip.MustParseAddr(addr), h.addr.Port())
}

func (h *host) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

// said is a message that a host heard from another one.
type said struct {
	*dns.Msg
	at      time.Time
	unicast bool
}

// heard returns what has come from others since the last call, within d.
func (h *host) heard(t *testing.T, d time.Duration) []said {
	t.Helper()
	var all []said
	for end := time.After(d); ; {
		select {
		case p := <-h.in:
			if p.from == h.addr {
				continue
			}
			m := new(dns.Msg)
			if err := m.Unpack(p.data); err != nil {
				t.Fatalf("heard %x: got %v, want a message", p.data, err)
			}
			all = append(all, said{m, p.at, p.to.IsValid()})
		case <-end:
			return all
		}
	}
}

// say sends a message to the group.
func (h *host) say(t *testing.T, m *dns.Msg) {
	t.Helper()
	b, err := m.Pack()
	if err != nil {
		t.Fatalf("pack: got %v, want nil", err)
	}
	if err := h.WriteTo(b, netip.AddrPort{}); err != nil {
		t.Fatalf("say: got %v, want nil", err)
	}
}

// query is one question without an id.
func query(name string, kind uint16, class uint16) *dns.Msg {
	return &dns.Msg{Question: []dns.Question{{Name: name, Qtype: kind, Qclass: class}}}
}

// answers are all records of a type in the answer sections.
func answers(all []said, kind uint16) []dns.RR {
	var found []dns.RR
	for _, m := range all {
		for _, rr := range m.Answer {
			if m.Response && rr.Header().Rrtype == kind {
				found = append(found, rr)
			}
		}
	}
	return found
}

// What the tests advertise.
const agent usp.EndpointID = "ops::00D09E-DSL.100-1"

const (
	agentService  = "_usp-agt-ws._tcp.local."
	agentInstance = `ops::00D09E-DSL\.100-1._usp-agt-ws._tcp.local.`
	ctrService    = "_usp-ctr-ws._tcp.local."
	ctrInstance   = "self::acs._usp-ctr-ws._tcp.local."
)

func services() []discovery.Service {
	return []discovery.Service{
		{
			EndpointID: agent, Role: usp.RoleAgent, Kind: mtp.WebSocket, Port: 8443, Path: "/usp/agents/x", Name: "Home",
			Encrypt: true, Subtypes: []string{"_gateway"},
		},
		{EndpointID: "self::acs", Role: usp.RoleController, Kind: mtp.WebSocket, Port: 8080, Path: "/usp"},
	}
}

// advertise runs an Advertiser until stop.
func advertise(t *testing.T, o discovery.Options) (a *discovery.Advertiser, stop func()) {
	t.Helper()
	if o.Host == "" {
		o.Host = "gw"
	}
	a, err := discovery.New(o)
	if err != nil {
		t.Fatalf("New: got %v, want nil", err)
	}
	return a, run(t, a.Run)
}

// run calls f in a goroutine until stop, which waits for it.
func run(t *testing.T, f func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Run: got %v, want nil", err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

// settled is an Advertiser that has announced, and a host beside it.
func settled(t *testing.T, o discovery.Options) (a *discovery.Advertiser, other *host) {
	t.Helper()
	l := &link{}
	o.Conns = []discovery.PacketConn{l.join("192.0.2.1")}
	if o.Services == nil {
		o.Services = services()
	}
	other = l.join("192.0.2.2")
	a, _ = advertise(t, o)
	other.heard(t, 5*time.Second)
	return a, other
}
