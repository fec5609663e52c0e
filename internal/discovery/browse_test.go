// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/uspgate/uspgate/internal/discovery"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// events collects what Browse reports.
type events struct {
	mu   sync.Mutex
	all  []discovery.Event
	more chan struct{}
}

func newEvents() *events { return &events{more: make(chan struct{}, 10_000)} }

func (e *events) add(ev discovery.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, ev)
	e.more <- struct{}{}
}

// take returns what has come since the last call.
func (e *events) take() []discovery.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := e.all
	e.all = nil
	return all
}

// one wants exactly one event.
func (e *events) one(t *testing.T) discovery.Event {
	t.Helper()
	all := e.take()
	if len(all) != 1 {
		t.Fatalf("events: got %+v, want one", all)
	}
	return all[0]
}

// after waits and lets everybody act.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// browse runs Browse on a host of l.
func browse(t *testing.T, l *link, o discovery.BrowseOptions) *events {
	t.Helper()
	e := newEvents()
	o.Events, o.Conns = e.add, []discovery.PacketConn{l.join("192.0.2.7")}
	run(t, func(ctx context.Context) error { return discovery.Browse(ctx, o) })
	return e
}

func wantEndpoint(t *testing.T, got, want discovery.Endpoint) {
	t.Helper()
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Fatalf("Endpoint: got\n%+v, want\n%+v", got, want)
	}
}

// TestBrowse: an Advertiser and a browser, whichever is first; a change; and the
// farewell.
func TestBrowse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &link{}
		early := browse(t, l, discovery.BrowseOptions{})
		a, stop := advertise(t, discovery.Options{
			Conns: []discovery.PacketConn{l.join("192.0.2.1")}, Services: services(),
		})
		after(5 * time.Second)
		late := browse(t, l, discovery.BrowseOptions{
			Services: []discovery.ServiceType{{Role: usp.RoleAgent, Kind: mtp.WebSocket}},
		})
		after(time.Second)
		want := discovery.Endpoint{
			EndpointID: agent, Role: usp.RoleAgent, Kind: mtp.WebSocket, Name: "Home", Path: "/usp/agents/x", Encrypt: true,
			Host: "gw.local.", Port: 8443, Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1")},
			URL: "wss://192.0.2.1:8443/usp/agents/x",
		}
		for _, e := range []*events{early, late} {
			if ev := e.one(t); ev.Lost {
				t.Fatal("got a loss, want a find")
			} else {
				wantEndpoint(t, ev.Endpoint, want)
			}
		}
		changed := services()
		changed[0].Path, want.Path, want.URL = "/elsewhere", "/elsewhere", "wss://192.0.2.1:8443/elsewhere"
		if err := a.Set(changed); err != nil {
			t.Fatal(err)
		}
		after(5 * time.Second)
		wantEndpoint(t, early.one(t).Endpoint, want)
		late.take()
		after(6 * time.Hour) // it is refreshed all the time
		if got := append(early.take(), late.take()...); len(got) != 0 {
			t.Fatalf("within 6 h: got %+v, want nothing new", got)
		}
		stop()
		after(2 * time.Second)
		for _, e := range []*events{early, late} {
			if ev := e.one(t); !ev.Lost || ev.Endpoint.EndpointID != agent {
				t.Fatalf("after the farewell: got %+v, want the loss", ev)
			}
		}
	})
}

// TestExpiry: an Endpoint that says nothing any more is lost when its records
// expire, after the browser has asked for them again.
func TestExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &link{}
		e := browse(t, l, discovery.BrowseOptions{})
		h := l.join("192.0.2.1")
		h.say(t, announcement(agentInstance, "there.local.", 8443, 100))
		after(time.Second)
		if got := e.one(t).Endpoint.URL; got != "ws://192.0.2.1:8443/usp" {
			t.Fatalf("URL: got %s", got)
		}
		asked := 0
		for _, m := range h.heard(t, 98*time.Second) {
			for _, q := range m.Question {
				if q.Name == agentInstance && q.Qtype == dns.TypeSRV {
					asked++
				}
			}
		}
		if asked != 4 { // at 80, 85, 90 and 95 % [RFC 6762 5.2]
			t.Errorf("questions before the end: got %d, want 4", asked)
		}
		after(2 * time.Second)
		if ev := e.one(t); !ev.Lost {
			t.Fatalf("after the end: got %+v, want the loss", ev)
		}
	})
}

// announcement is all about one WebSocket Agent on 192.0.2.1.
func announcement(instance, target string, port uint16, ttl uint32) *dns.Msg {
	h := func(name string, kind uint16) dns.RR_Header {
		return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: ttl}
	}
	m := &dns.Msg{Answer: []dns.RR{
		&dns.PTR{Hdr: h(agentService, dns.TypePTR), Ptr: instance},
		&dns.SRV{Hdr: h(instance, dns.TypeSRV), Target: target, Port: port},
		&dns.TXT{Hdr: h(instance, dns.TypeTXT), Txt: []string{"path=/usp", "PATH=/second", "name=N", "=x", ""}},
		&dns.A{Hdr: h(target, dns.TypeA), A: net.IPv4(192, 0, 2, 1)},
	}}
	m.Response = true
	return m
}

// TestResolve: what an answer leaves out is asked for.
func TestResolve(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &link{}
		e := browse(t, l, discovery.BrowseOptions{})
		h := l.join("192.0.2.1")
		all := announcement(agentInstance, "there.local.", 8443, 120)
		for _, rr := range all.Answer { // one a time, as it is asked for
			m := &dns.Msg{Answer: []dns.RR{rr}}
			m.Response = true
			asked := false
			for _, heard := range h.heard(t, 3*time.Second) {
				for _, q := range heard.Question {
					asked = asked || q.Name == rr.Header().Name && q.Qtype == rr.Header().Rrtype
				}
			}
			if !asked {
				t.Fatalf("got no question for %v", rr)
			}
			h.say(t, m)
		}
		after(time.Second)
		if got := e.one(t).Endpoint; got.Name != "N" || got.Path != "/usp" {
			t.Fatalf("Endpoint: got %+v, want the first value of each key", got)
		}
	})
}

// TestBrowseBounds: however much somebody announces, so many are remembered; what
// comes from another port, or is a question, is not an answer.
func TestBrowseBounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &link{}
		e := browse(t, l, discovery.BrowseOptions{MaxEntries: 10})
		h := l.join("192.0.2.1")
		simple := l.joinFrom(netip.MustParseAddrPort("192.0.2.1:40000"))
		simple.say(t, announcement("os::1."+agentService, "x.local.", 1, 120))
		question := announcement("os::1."+agentService, "x.local.", 1, 120)
		question.Response = false
		h.say(t, question)
		for _, bad := range []string{"a b", "", "x/y"} {
			name := agentService
			if bad != "" {
				name = dnsLabel(bad) + "." + agentService
			}
			h.say(t, announcement(name, "x.local.", 1, 120))
		}
		after(time.Second)
		if got := e.take(); len(got) != 0 {
			t.Fatalf("from what is no answer: got %+v, want nothing", got)
		}
		for i := range 100 {
			h.say(t, announcement(fmt.Sprintf("os::%d.%s", i, agentService), fmt.Sprintf("h%d.local.", i), 1, 120))
			after(10 * time.Millisecond)
		}
		if got := e.take(); len(got) != 10 {
			t.Fatalf("found: got %d, want 10", len(got))
		}
	})
}

func dnsLabel(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		fmt.Fprintf(&b, "\\%03d", c)
	}
	return b.String()
}

// TestKnownAnswersOfBrowser: it asks at growing intervals and says what it has
// [RFC 6762 5.2, 7.1].
func TestKnownAnswersOfBrowser(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &link{}
		h := l.join("192.0.2.1")
		browse(t, l, discovery.BrowseOptions{MaxInterval: 4 * time.Second})
		h.say(t, announcement(agentInstance, "there.local.", 8443, 4500))
		var at []time.Time
		for _, m := range h.heard(t, 20*time.Second) {
			if len(m.Question) == 8 && m.Question[0].Qtype == dns.TypePTR {
				at = append(at, m.at)
				if len(m.Answer) != 1 || m.Answer[0].(*dns.PTR).Ptr != agentInstance {
					t.Errorf("known answers: got %v, want the instance", m.Answer)
				}
			}
		}
		for i, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 4 * time.Second} {
			if got := at[i+1].Sub(at[i]); got != want {
				t.Errorf("interval %d: got %v, want %v", i, got, want)
			}
		}
	})
}

// TestUnicast_R_DIS_6: another domain is looked up at a resolver [R-DIS.7], over
// TCP where an answer is large.
func TestUnicast_R_DIS_6(t *testing.T) {
	t.Parallel()
	const domain = "example.net."
	service := "_usp-ctr-mqtt._tcp." + domain
	instance := `self::acs\.1.` + service
	records := map[string]string{
		service + "PTR": service + " 60 IN PTR " + instance, instance + "SRV": instance + " 60 IN SRV 0 0 8883 mq." + domain,
		instance + "TXT":     instance + ` 60 IN TXT "path=usp/controllers/acs" "encrypt"`,
		"mq." + domain + "A": "mq." + domain + " 60 IN A 198.51.100.7",
	}
	addr := resolver(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if text, ok := records[q.Question[0].Name+dns.TypeToString[q.Question[0].Qtype]]; ok {
			rr, err := dns.NewRR(text)
			if err != nil {
				t.Errorf("%s: %v", text, err)
			}
			m.Answer = append(m.Answer, rr)
		} else {
			m.Rcode = dns.RcodeNameError
		}
		if _, udp := w.RemoteAddr().(*net.UDPAddr); udp && q.Question[0].Qtype == dns.TypeTXT {
			m.Answer, m.Truncated = nil, true
		}
		_ = w.WriteMsg(m)
	})
	e := newEvents()
	run(t, func(ctx context.Context) error {
		return discovery.Browse(ctx, discovery.BrowseOptions{Domain: "example.net", Resolver: addr, Events: e.add})
	})
	select {
	case <-e.more:
	case <-time.After(20 * time.Second):
		t.Fatal("got nothing, want the Controller")
	}
	wantEndpoint(t, e.one(t).Endpoint, discovery.Endpoint{
		EndpointID: "self::acs.1", Role: usp.RoleController, Kind: mtp.MQTT, Path: "usp/controllers/acs", Encrypt: true,
		Host: "mq.example.net.", Port: 8883, Addrs: []netip.Addr{netip.MustParseAddr("198.51.100.7")},
		URL: "mqtts://mq.example.net:8883",
	})
}

// resolver is a DNS server on loopback, by UDP and TCP on one port.
func resolver(t *testing.T, f dns.HandlerFunc) string {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	pc, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	for _, s := range []*dns.Server{{Listener: ln, Handler: f}, {PacketConn: pc, Handler: f}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		serving.Go(func() { _ = s.ActivateAndServe() })
		<-started
		t.Cleanup(func() { _ = s.Shutdown() })
	}
	return ln.Addr().String()
}

// TestSockets: on a real interface, that of loopback.
func TestSockets(t *testing.T) {
	t.Parallel()
	a, err := discovery.New(discovery.Options{Services: services(), Interfaces: []string{"lo"}, Host: "gw-sockets"})
	if err != nil {
		t.Fatal(err)
	}
	run(t, a.Run)
	e := newEvents()
	run(t, func(ctx context.Context) error {
		return discovery.Browse(ctx, discovery.BrowseOptions{Interfaces: []string{"lo"}, Events: e.add})
	})
	select {
	case <-e.more:
	case <-time.After(20 * time.Second):
		t.Fatal("found nothing within 20 s, want the Agent")
	}
	got := e.take()[0].Endpoint
	if got.EndpointID != agent || got.Host != "gw-sockets.local." || got.Addrs[0] != netip.MustParseAddr("127.0.0.1") {
		t.Fatalf("Endpoint: got %+v, want the Agent on loopback", got)
	}
}

// TestBrowseOptions: what is refused.
func TestBrowseOptions(t *testing.T) {
	t.Parallel()
	ignore := func(discovery.Event) {}
	for name, o := range map[string]discovery.BrowseOptions{
		"no Events":    {},
		"no Resolver":  {Domain: "example.net", Events: ignore},
		"no service":   {Services: []discovery.ServiceType{{Role: usp.RoleAgent, Kind: mtp.UDS}}, Events: ignore},
		"no interface": {Interfaces: []string{"no-such-interface"}, Events: ignore},
	} {
		if err := discovery.Browse(t.Context(), o); err == nil {
			t.Errorf("%s: got nil, want an error", name)
		}
	}
}
