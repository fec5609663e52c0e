// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/uspgate/uspgate/internal/discovery"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// TestProbeAndAnnounce [RFC 6762 8]: three probes, two announcements, each with
// all records of the instance [R-DIS.8, R-DIS.9, R-DIS.10, R-DIS.11a].
func TestProbeAndAnnounce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &link{}
		other := l.join("192.0.2.2")
		advertise(t, discovery.Options{
			Conns: []discovery.PacketConn{l.join("192.0.2.1")}, Services: services()[:1],
		})
		all := other.heard(t, 10*time.Second)
		if len(all) != 5 {
			t.Fatalf("messages: got %d, want 3 probes and 2 announcements", len(all))
		}
		for i, want := range []time.Duration{probe, probe, probe, time.Second} {
			if got := all[i+1].at.Sub(all[i].at); got != want {
				t.Errorf("between message %d and %d: got %v, want %v", i, i+1, got, want)
			}
		}
		for _, m := range all[:3] {
			if m.Response || len(m.Question) != 2 || m.Question[0].Qtype != dns.TypeANY || len(m.Ns) != 3 {
				t.Errorf("probe: got %v, want two names and three proposed records", m.Msg)
			}
		}
		var got []string
		for _, rr := range all[4].Answer {
			got = append(got, strings.Join(strings.Fields(rr.String()), " "))
		}
		want := []string{
			agentInstance + " 120 CLASS32769 SRV 0 0 8443 gw.local.",
			agentInstance + ` 4500 CLASS32769 TXT "path=/usp/agents/x" "name=Home" "encrypt"`,
			agentService + " 4500 IN PTR " + agentInstance,
			"_services._dns-sd._udp.local. 4500 IN PTR " + agentService,
			"_gateway._sub." + agentService + " 4500 IN PTR " + agentInstance,
			"gw.local. 120 CLASS32769 A 192.0.2.1",
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Fatalf("announcement: got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if m := all[4]; !m.Authoritative || m.Id != 0 || len(m.Question) != 0 {
			t.Errorf("announcement: got the header %v, want that of RFC 6762 18", m.MsgHdr)
		}
	})
}

const probe = 250 * time.Millisecond

// TestBytes is one question and its answer as they are on the wire: a simple
// resolver asks for the SRV record [RFC 6762 6.7].
func TestBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, other := settled(t, discovery.Options{Services: services()[:1]})
		simple := other.link.joinFrom(netip.MustParseAddrPort("192.0.2.3:40000"))
		const name = "\x15ops::00D09E-DSL.100-1\x0b_usp-agt-ws\x04_tcp\x05local\x00"
		ask := "\x12\x34\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00" + name + "\x00\x21\x00\x01"
		if err := simple.WriteTo([]byte(ask), netip.AddrPort{}); err != nil {
			t.Fatal(err)
		}
		want := "\x12\x34\x84\x00\x00\x01\x00\x01\x00\x00\x00\x01" + name + "\x00\x21\x00\x01" +
			"\xc0\x0c\x00\x21\x00\x01\x00\x00\x00\x0a\x00\x10\x00\x00\x00\x00\x20\xfb\x02gw\x05local\x00" +
			"\xc0\x50\x00\x01\x00\x01\x00\x00\x00\x0a\x00\x04\xc0\x00\x02\x01"
		<-simple.in // its own question
		got := <-simple.in
		if got.to != simple.addr || !bytes.Equal(got.data, []byte(want)) {
			t.Fatalf("answer to %v: got\n%swant\n%s", got.to, hex.Dump(got.data), hex.Dump([]byte(want)))
		}
	})
}

// TestAnswers: what a question brings.
func TestAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, other := settled(t, discovery.Options{})
		for _, tt := range []struct {
			name  string
			kind  uint16
			found int
		}{
			{agentService, dns.TypePTR, 1},
			{strings.ToUpper(agentService), dns.TypePTR, 1},
			{agentService, dns.TypeANY, 1},
			{agentService, dns.TypeSRV, 0},
			{"_gateway._sub." + agentService, dns.TypePTR, 1},
			{"_services._dns-sd._udp.local.", dns.TypePTR, 1},
			{agentInstance, dns.TypeSRV, 1},
			{agentInstance, dns.TypeTXT, 1},
			{agentInstance, dns.TypeANY, 2},
			{"gw.local.", dns.TypeA, 1},
			{"gw.local.", dns.TypeAAAA, 0},
			{"gw.example.", dns.TypeA, 0},
			// A Controller answers those who know it.
			{ctrService, dns.TypePTR, 0},
			{ctrInstance, dns.TypeSRV, 1},
			{ctrInstance, dns.TypeTXT, 1},
		} {
			other.say(t, query(tt.name, tt.kind, dns.ClassINET))
			found := 0
			for _, m := range other.heard(t, 3*time.Second) {
				found += len(m.Answer)
				if m.unicast {
					t.Errorf("%s: got a unicast answer, want one to all", tt.name)
				}
			}
			if found != tt.found {
				t.Errorf("%s %s: got %d answers, want %d", tt.name, dns.TypeToString[tt.kind], found, tt.found)
			}
		}
	})
}

// TestControllers are found by browsing where that is wanted.
func TestControllers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, other := settled(t, discovery.Options{Controllers: true})
		other.say(t, query(ctrService, dns.TypePTR, dns.ClassINET))
		if got := answers(other.heard(t, time.Second), dns.TypePTR); len(got) != 1 {
			t.Fatalf("answers: got %v, want the Controller", got)
		}
	})
}

// TestKnownAnswer [RFC 6762 7.1]: what the asker has is not told again, unless it
// is about to expire; and it may come in a further packet [RFC 6762 7.2].
func TestKnownAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, other := settled(t, discovery.Options{})
		known := func(ttl uint32) *dns.Msg {
			m := query(agentService, dns.TypePTR, dns.ClassINET)
			m.Answer = []dns.RR{&dns.PTR{
				Hdr: dns.RR_Header{Name: agentService, Rrtype: dns.TypePTR, Class: dns.ClassINET, Ttl: ttl}, Ptr: agentInstance,
			}}
			return m
		}
		for ttl, want := range map[uint32]int{4500: 0, 2250: 0, 2249: 1} {
			other.say(t, known(ttl))
			if got := answers(other.heard(t, 2*time.Second), dns.TypePTR); len(got) != want {
				t.Errorf("known for %d s: got %d answers, want %d", ttl, len(got), want)
			}
		}
		first, rest := query(agentService, dns.TypePTR, dns.ClassINET), known(4500)
		first.Truncated, rest.Question = true, nil
		other.say(t, first)
		if got := other.heard(t, 300*time.Millisecond); len(got) > 0 {
			t.Errorf("before the rest of the known answers: got %v, want silence", got)
		}
		other.say(t, rest)
		if got := answers(other.heard(t, 2*time.Second), dns.TypePTR); len(got) != 0 {
			t.Errorf("known by a further packet: got %v, want nothing", got)
		}
		other.say(t, first)
		if got := answers(other.heard(t, 2*time.Second), dns.TypePTR); len(got) != 1 {
			t.Errorf("without a further packet: got %v, want the answer", got)
		}
	})
}

// TestUnicastReply [RFC 6762 5.4]: on request, while everybody has heard the
// record not long ago.
func TestUnicastReply(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, other := settled(t, discovery.Options{})
		for range 2 {
			other.say(t, query(agentInstance, dns.TypeSRV, dns.ClassINET|1<<15))
			all := other.heard(t, 2*time.Second)
			if len(all) != 1 || !all[0].unicast || len(answers(all, dns.TypeSRV)) != 1 {
				t.Fatalf("soon: got %v, want one unicast answer", all)
			}
		}
		other.heard(t, 31*time.Second)
		other.say(t, query(agentInstance, dns.TypeSRV, dns.ClassINET|1<<15))
		if all := other.heard(t, 2*time.Second); len(all) != 1 || all[0].unicast {
			t.Fatalf("after a quarter of its life: got %v, want one answer to all", all)
		}
	})
}

// TestFlood: however often somebody asks, a record goes out once a second, and
// unicast answers are bounded.
func TestFlood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, other := settled(t, discovery.Options{AnswerRate: 5})
		sent, end := 0, time.Now().Add(10*time.Second)
		for time.Now().Before(end) {
			for range 50 {
				other.say(t, query(agentInstance, dns.TypeSRV, dns.ClassINET))
			}
			sent += len(answers(other.heard(t, 10*time.Millisecond), dns.TypeSRV))
		}
		if sent < 9 || sent > 11 {
			t.Errorf("answers to 50,000 questions within 10 s: got %d, want 10", sent)
		}
		sent = 0
		for range 1000 {
			other.say(t, query(agentInstance, dns.TypeSRV, dns.ClassINET|1<<15))
			sent += len(answers(other.heard(t, time.Millisecond), dns.TypeSRV))
		}
		if sent < 5 || sent > 12 {
			t.Errorf("unicast answers within 1 s: got %d, want at most 5, and 5 at first", sent)
		}
	})
}

// TestFarewell [RFC 6762 10.1]: at the end, and when a service goes.
func TestFarewell(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &link{}
		other := l.join("192.0.2.2")
		a, stop := advertise(t, discovery.Options{
			Conns: []discovery.PacketConn{l.join("192.0.2.1")}, Services: services(), Controllers: true,
		})
		other.heard(t, 5*time.Second)
		if err := a.Set(services()[1:]); err != nil {
			t.Fatal(err)
		}
		gone := map[string]bool{}
		for _, m := range other.heard(t, 5*time.Second) {
			for _, rr := range m.Answer {
				gone[rr.Header().Name] = gone[rr.Header().Name] || rr.Header().Ttl == 0
			}
		}
		if !gone[agentInstance] || !gone[agentService] || gone[ctrInstance] || gone["gw.local."] {
			t.Errorf("farewell to the Agent: got %v, want to it only", gone)
		}
		stop()
		all := other.heard(t, time.Second)
		got := answers(all, dns.TypeSRV)
		if len(got) != 1 || got[0].Header().Ttl != 0 || got[0].Header().Name != ctrInstance {
			t.Errorf("farewell at the end: got %v, want to the Controller", all)
		}
	})
}

// TestInstanceConflict [RFC 6762 9]: an Endpoint that somebody else advertises is
// not advertised; one of ours is defended once.
func TestInstanceConflict(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		claim := &dns.Msg{Answer: []dns.RR{&dns.SRV{
			Hdr:    dns.RR_Header{Name: agentInstance, Rrtype: dns.TypeSRV, Class: dns.ClassINET | 1<<15, Ttl: 120},
			Target: "elsewhere.local.", Port: 1,
		}}}
		claim.Response = true
		l := &link{}
		other := l.join("192.0.2.2")
		advertise(t, discovery.Options{Conns: []discovery.PacketConn{l.join("192.0.2.1")}, Services: services()})
		other.heard(t, 300*time.Millisecond)
		other.say(t, claim)
		if got := agentSRVs(other.heard(t, 30*time.Second)); got != 0 {
			t.Fatalf("after a conflict: got %d announcements of the Agent, want none", got)
		}
		if got := agentSRVs(other.heard(t, time.Minute)); got != announced {
			t.Fatalf("after the rest: got %d announcements of the Agent, want %d", got, announced)
		}
		other.say(t, claim)
		if got := agentSRVs(other.heard(t, time.Second)); got != 1 {
			t.Fatalf("defence: got %d, want 1", got)
		}
		other.say(t, claim)
		other.say(t, query(agentInstance, dns.TypeSRV, dns.ClassINET))
		if got := agentSRVs(other.heard(t, 10*time.Second)); got != 0 {
			t.Fatalf("after it was lost: got %d answers, want none", got)
		}
	})
}

const announced = 2

func agentSRVs(all []said) int {
	n := 0
	for _, rr := range answers(all, dns.TypeSRV) {
		if rr.Header().Name == agentInstance {
			n++
		}
	}
	return n
}

// TestHostConflict: another host's name gets a number.
func TestHostConflict(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &link{}
		other := l.join("192.0.2.2")
		advertise(t, discovery.Options{Conns: []discovery.PacketConn{l.join("192.0.2.1")}, Services: services()})
		other.heard(t, 300*time.Millisecond)
		claim := &dns.Msg{Answer: []dns.RR{&dns.A{
			Hdr: dns.RR_Header{Name: "GW.local.", Rrtype: dns.TypeA, Class: dns.ClassINET | 1<<15, Ttl: 120},
			A:   other.addr.Addr().AsSlice(),
		}}}
		claim.Response = true
		other.say(t, claim)
		for _, rr := range answers(other.heard(t, 5*time.Second), dns.TypeSRV) {
			if got := rr.(*dns.SRV).Target; got != "gw-2.local." {
				t.Fatalf("target: got %s, want gw-2.local.", got)
			}
		}
	})
}

// TestAddressChange: a host that has moved says where it is now, and no longer
// where it was.
func TestAddressChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &link{}
		own, other := l.join("192.0.2.1"), l.join("192.0.2.2")
		advertise(t, discovery.Options{Conns: []discovery.PacketConn{own}, Services: services()})
		other.heard(t, 5*time.Second)
		own.move("192.0.2.99")
		ttls := map[string]uint32{}
		for _, rr := range answers(other.heard(t, time.Minute), dns.TypeA) {
			ttls[rr.(*dns.A).A.String()] = rr.Header().Ttl
		}
		if got := fmt.Sprint(ttls); got != "map[192.0.2.1:0 192.0.2.99:120]" {
			t.Fatalf("addresses with their TTL: got %s, want farewell to the old one", got)
		}
	})
}

// TestManyServices are told in packets that fit.
func TestManyServices(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var many []discovery.Service
		for i := range discovery.DefaultMaxServices {
			many = append(many, discovery.Service{
				EndpointID: usp.EndpointID(fmt.Sprintf("os::00D09E-%d", i)), Role: usp.RoleAgent, Kind: mtp.MQTT,
				Port: 1883, Path: "usp/agents/x", Host: "broker", Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.9")},
			})
		}
		a, other := settled(t, discovery.Options{Services: many})
		other.say(t, query("_usp-agt-mqtt._tcp.local.", dns.TypePTR, dns.ClassINET))
		all := other.heard(t, time.Second)
		if got := answers(all, dns.TypePTR); len(got) != len(many) {
			t.Fatalf("answers: got %d, want %d", len(got), len(many))
		}
		for _, m := range all {
			m.Compress = true
			if n := m.Len(); n > 1472 {
				t.Errorf("message: got %d bytes, want at most 1472", n)
			}
		}
		if err := a.Set(append(many, many[0])); err == nil {
			t.Error("one too many: got nil, want an error")
		}
	})
}

// TestServiceCheck: what cannot be advertised.
func TestServiceCheck(t *testing.T) {
	t.Parallel()
	good, long := services()[0], strings.Repeat("x", 50)
	for name, change := range map[string]func(*discovery.Service){
		"Unix domain socket": func(s *discovery.Service) { s.Kind = mtp.UDS },
		"no role":            func(s *discovery.Service) { s.Role = usp.RoleUnknown },
		"no port":            func(s *discovery.Service) { s.Port = 0 },
		"long Endpoint ID":   func(s *discovery.Service) { s.EndpointID = usp.EndpointID("oui:012345678:" + long) },
		"long path":          func(s *discovery.Service) { s.Path = strings.Repeat("x", 251) },
		"long subtype":       func(s *discovery.Service) { s.Subtypes = []string{strings.Repeat("x", 64)} },
	} {
		s := good
		change(&s)
		if _, err := discovery.New(discovery.Options{Services: []discovery.Service{s}}); err == nil {
			t.Errorf("%s: got nil, want an error", name)
		}
	}
}
