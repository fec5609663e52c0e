// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/uspgate/uspgate/internal/discovery"
)

// seeds are packets that mean something.
func seeds(f *testing.F) [][]byte {
	f.Helper()
	known := query(agentService, dns.TypePTR, dns.ClassINET|1<<15)
	known.Answer = announcement(agentInstance, "gw.local.", 1, 4500).Answer
	known.Truncated = true
	claim := announcement(agentInstance, "elsewhere.local.", 1, 120)
	for _, rr := range claim.Answer {
		rr.Header().Class |= 1 << 15
	}
	farewell := announcement(`os::x\.1.`+agentService, "h.local.", 1, 0)
	var all [][]byte
	for _, m := range []*dns.Msg{
		query(agentService, dns.TypePTR, dns.ClassINET), query("gw.local.", dns.TypeANY, dns.ClassANY),
		known, claim, farewell,
		announcement(agentInstance, "gw.local.", 1, 120), announcement("a.b."+agentService, ".", 0, 1<<31),
	} {
		b, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, b)
	}
	const loop = "\x00\x00\x84\x00\x00\x00\x00\x01\x00\x00\x00\x00\xc0\x0c\x00\x0c\x00\x01\x00\x00\x00\x78\x00\x02\xc0\x0c"
	return append(all, []byte(loop))
}

// FuzzAdvertiser: whatever comes, what is sent parses, is an answer, fits into
// packets, and each record goes to all once in a moment, however often the packet
// comes.
func FuzzAdvertiser(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b, true)
		f.Add(b, false)
	}
	f.Fuzz(func(t *testing.T, b []byte, simple bool) {
		from := netip.MustParseAddrPort("192.0.2.2:5353")
		if simple {
			from = netip.MustParseAddrPort("192.0.2.2:40000")
		}
		const rate = 3
		sent, err := discovery.Handle(
			discovery.Options{Services: services(), Host: "gw", AnswerRate: rate}, [][]byte{b, b, b, b, b, b}, from)
		if err != nil {
			t.Fatal(err)
		}
		if len(sent) > 12 {
			t.Fatalf("sent: got %d packets for 6, want at most 12", len(sent))
		}
		for _, p := range sent {
			m := new(dns.Msg)
			if err := m.Unpack(p); err != nil {
				t.Fatalf("sent %x: %v", p, err)
			}
			if len(p) > 1500 && !simple || !m.Response && len(m.Ns) == 0 {
				t.Fatalf("sent %v in %d bytes, want an answer or a probe that fits", m, len(p))
			}
		}
	})
}

// FuzzBrowser: whatever comes, little is remembered, what is reported is an
// Endpoint, and what is asked can be asked.
func FuzzBrowser(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b, b)
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		const most = 3
		events, entries, hosts, questions := discovery.Learn(
			discovery.BrowseOptions{MaxEntries: most}, [][]byte{first, second, first})
		if entries > most || hosts > most {
			t.Fatalf("remembered: got %d instances and %d hosts, want at most %d", entries, hosts, most)
		}
		for _, e := range events {
			id := string(e.Endpoint.EndpointID)
			if id == "" || len(id) > 63 || strings.ContainsAny(id, " \x00\n\"\\/") ||
				e.Endpoint.URL == "" || e.Endpoint.Port == 0 {
				t.Fatalf("reported: got %+v, want an Endpoint", e)
			}
		}
		for _, m := range questions {
			if _, err := m.Pack(); err != nil {
				t.Fatalf("question %v: %v", m, err)
			}
		}
	})
}

// FuzzLabel: any bytes survive as a label, through the codec of the library.
func FuzzLabel(f *testing.F) {
	for _, s := range []string{"os::a-1", "a.b", `a\.b`, "\x00\xff", `"x"`, "a b", "$;()@'", `\065`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if s == "" || len(s) > 63 {
			return
		}
		name := discovery.EscapeLabel(s) + ".local."
		b := make([]byte, 256)
		n, err := dns.PackDomainName(name, b, 0, nil, false)
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		back, _, err := dns.UnpackDomainName(b[:n], 0)
		if err != nil || back != name {
			t.Fatalf("%q: got %q %v, want the same", name, back, err)
		}
		if got := discovery.Unescape(strings.TrimSuffix(back, ".local.")); got != s {
			t.Fatalf("%q: got %q, want the same", s, got)
		}
	})
}
