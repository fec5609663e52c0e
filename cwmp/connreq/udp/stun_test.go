// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package udp_test

import (
	"bytes"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/uspgate/uspgate/cwmp/connreq/stun"
	"github.com/uspgate/uspgate/cwmp/connreq/udp"
)

func TestBinding(t *testing.T) {
	t.Parallel()
	s := start(t, udp.Options{Addrs: []string{"127.0.0.1:0", "[::1]:0", ":0"}})
	for socket := range 2 {
		b := newBox(t, s, socket)
		m := b.ask(classic(1, attribute(stun.ConnectionRequestBinding, stun.BindingValue)), nil)
		if got := mapped(t, m); got != b.addr() || m.Signed() {
			t.Fatalf("RFC 3489: got %v, want %v", got, b.addr())
		}
		want := []int{3, 1}[socket] // with SOURCE-ADDRESS and CHANGED-ADDRESS
		if v, _ := m.Get(stun.ChangedAddress); len(m.Attributes) != want ||
			want == 3 && !bytes.Equal(v, stun.AppendAddress(nil, b.to)) {
			t.Fatalf("RFC 3489: got %d attributes, CHANGED-ADDRESS %x, want %d and our address", len(m.Attributes), v, want)
		}
		m = b.ask(modern(2), nil)
		v, _ := m.Get(stun.XORMappedAddress)
		if a, ok := stun.ParseXORAddress(v, m.ID); !ok || a != b.addr() || mapped(t, m) != b.addr() {
			t.Fatalf("RFC 5389: got %v, want %v", a, b.addr())
		}
	}
	// A wildcard socket meets IPv4 as IPv4.
	b := newBox(t, s, 0)
	b.to = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), s.Addrs()[2].Port())
	if m := b.ask(classic(3), nil); mapped(t, m) != b.addr() || len(m.Attributes) != 1 {
		t.Fatalf("wildcard: got %v among %d attributes, want %v alone", mapped(t, m), len(m.Attributes), b.addr())
	}
}

func TestChallenge(t *testing.T) {
	t.Parallel()
	s := start(t, udp.Options{Credentials: func(u string) (string, bool) { return "secret", u == "CPE57689" }})
	b := newBox(t, s, 0)
	user, realm := attribute(stun.Username, "CPE57689"), attribute(stun.Realm, "acs")
	secret := []byte("secret")
	for _, tc := range []struct {
		name string
		m    *stun.Message
		key  []byte
		want int
	}{
		{"RFC 3489, none", classic(1), nil, 401},
		{"RFC 3489, user without integrity", classic(2, user), nil, 401},
		{"RFC 3489, no user", classic(3), secret, 432},
		{"RFC 3489, wrong password", classic(4, user), []byte("Secret"), 431},
		{"RFC 3489, unknown user", classic(5, attribute(stun.Username, "x")), secret, 431},
		{"RFC 5389, none", modern(6), nil, 401},
		{"RFC 5389, no user", modern(7), secret, 400},
		{"RFC 5389, wrong password", modern(8, user), []byte("Secret"), 401},
		{"RFC 5389, unknown attribute", modern(9, user, attribute(0x7abc, "")), secret, 420},
	} {
		if got := errorCode(t, b.ask(tc.m, tc.key)); got != tc.want {
			t.Errorf("%s: got %d, want %d", tc.name, got, tc.want)
		}
	}
	long := stun.LongTermKey("CPE57689", "acs", "secret")
	for _, tc := range []struct {
		name string
		m    *stun.Message
		key  []byte
	}{
		{"RFC 3489", classic(11, user), secret},
		{"RFC 5389, short-term", modern(12, user), secret},
		{"RFC 5389, long-term", modern(13, user, realm), long},
	} {
		m := b.ask(tc.m, tc.key)
		if got := mapped(t, m); got != b.addr() || !m.Verify(tc.key) {
			t.Errorf("%s: got %v, signed %v, want %v, signed", tc.name, got, m.Signed(), b.addr())
		}
	}
}

func TestAnonymousBesideCredentials(t *testing.T) {
	t.Parallel()
	s := start(t, udp.Options{
		Credentials: func(string) (string, bool) { return "secret", true }, AllowAnonymous: true,
	})
	b := newBox(t, s, 0)
	if got := mapped(t, b.ask(classic(1), nil)); got != b.addr() {
		t.Errorf("got %v, want %v", got, b.addr())
	}
	if got := errorCode(t, b.ask(classic(2, attribute(stun.Username, "u")), []byte("x"))); got != 431 {
		t.Errorf("wrong password: got %d, want 431", got)
	}
}

// TestResponseAddress: by it a CPE finds out how long its NAT keeps a binding
// [TR-069 G.2.1.2]; it is not a way to have us send to others.
func TestResponseAddress(t *testing.T) {
	t.Parallel()
	s := start(t, udp.Options{})
	first, second := newBox(t, s, 0), newBox(t, s, 0)
	m := classic(1)
	m.Add(stun.ResponseAddress, stun.AppendAddress(nil, first.addr()))
	second.send(m.Append(nil, nil))
	got := first.answer()
	if got.ID != m.ID || mapped(t, got) != second.addr() {
		t.Fatalf("got %v, want that of the second port at the first", mapped(t, got))
	}
	m = classic(2)
	m.Add(stun.ResponseAddress, stun.AppendAddress(nil, netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), 53)))
	second.send(m.Append(nil, nil))
	if got := second.ask(classic(3), nil); mapped(t, got) != second.addr() {
		t.Fatalf("got %v, want no answer to the one before", got)
	}
	if got := s.Bindings(second.addr().Addr(), time.Now()); len(got) != 1 || got[0] != second.addr() {
		t.Fatalf("got bindings %v, want none of what was asked for another port", got)
	}
}

func TestUnanswered(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	s := start(t, udp.Options{Metrics: reg})
	b := newBox(t, s, 0)
	indication, answer, shared := modern(1), classic(2), classic(3)
	indication.Type, answer.Type, shared.Type = stun.BindingIndication, stun.BindingResponse, 0x0002
	changed := classic(4, stun.Attribute{Type: stun.ChangeRequest, Value: []byte{0, 0, 0, 4}})
	for _, d := range [][]byte{
		indication.Append(nil, nil), answer.Append(nil, nil), shared.Append(nil, nil), changed.Append(nil, nil),
		[]byte("GET / HTTP/1.1\r\n\r\n"),
		{},
		bytes.Repeat([]byte{0xff}, 2000),
	} {
		b.send(d)
	}
	// A client of RFC 3489 may say that it wants no other address.
	same := classic(5, stun.Attribute{Type: stun.ChangeRequest, Value: []byte{0, 0, 0, 0}})
	if got := mapped(t, b.ask(same, nil)); got != b.addr() {
		t.Fatalf("got %v, want the first answer to be that to the last", got)
	}
	want := `# HELP uspgate_stun_messages_total Datagrams at the STUN server by result.
# TYPE uspgate_stun_messages_total counter
uspgate_stun_messages_total{result="answered"} 1
uspgate_stun_messages_total{result="indication"} 1
uspgate_stun_messages_total{result="malformed"} 3
uspgate_stun_messages_total{result="unsupported"} 3
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want)); err != nil {
		t.Fatal(err)
	}
}

func TestRateOfASource(t *testing.T) {
	t.Parallel()
	s := udp.New(udp.Options{Rate: 1, Burst: 5, MaxSources: 100})
	now := time.Now()
	count := func(source string, n int) (answered int) {
		for range n {
			out, _, _ := s.Answer(classic(1).Append(nil, nil), netip.MustParseAddrPort(source), now)
			if len(out) > 0 {
				answered++
			}
		}
		return answered
	}
	if a, b := count("192.0.2.1:1", 20), count("192.0.2.2:1", 20); a != 5 || b != 5 {
		t.Errorf("got %d and %d answers, want 5 for each source", a, b)
	}
	if n := count("[2001:db8::1]:1", 4) + count("[2001:db8::2]:1", 4); n != 5 {
		t.Errorf("got %d answers in one IPv6 network of 64 bits, want 5", n)
	}
	now = now.Add(3 * time.Second)
	if n := count("192.0.2.1:1", 20); n != 3 {
		t.Errorf("got %d answers after 3 s, want 3", n)
	}
	for i := range 1000 {
		count(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 9).String(), 1)
	}
	if n, _, _ := s.Remembered(); n != 100 {
		t.Errorf("got %d sources in memory, want 100", n)
	}
}

// TestFlood: who sends without end gets what its rate allows, and others are served.
func TestFlood(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	s := start(t, udp.Options{Metrics: reg, Rate: 1, Burst: 10})
	b := newBox(t, s, 0)
	conn, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2)}, net.UDPAddrFromAddrPort(b.to))
	if err != nil {
		t.Skipf("no second loopback address: %v", err)
	}
	defer conn.Close()
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for d := classic(1).Append(nil, nil); ; {
			select {
			case <-stop:
				return
			default:
				_, _ = conn.Write(d)
			}
		}
	}()
	count := func(result string) float64 {
		all, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range all {
			for _, m := range f.GetMetric() {
				if m.GetLabel()[0].GetValue() == result {
					return m.GetCounter().GetValue()
				}
			}
		}
		return 0
	}
	for deadline := time.Now().Add(10 * time.Second); count("rate") < 100; { // it has begun
		if time.Now().After(deadline) {
			t.Fatalf("got %v dropped, want many", count("rate"))
		}
	}
	for answers := 0; answers < 3; {
		b.send(classic(2).Append(nil, nil)) // the system may drop it: a CPE asks again
		_ = b.conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if _, err := b.conn.Read(make([]byte, 100)); err == nil {
			answers++
		} else if t.Context().Err() != nil {
			break
		}
	}
	close(stop)
	<-done
	if answered, dropped := count("answered"), count("rate"); answered > 100 || dropped < 100 {
		t.Fatalf("got %v answers and %v dropped, want few and many", answered, dropped)
	}
}

func BenchmarkAnswer(b *testing.B) {
	s := udp.New(udp.Options{Rate: 1e9, Burst: 1e9})
	d := classic(1, attribute(stun.ConnectionRequestBinding, stun.BindingValue)).Append(nil, nil)
	now := time.Now()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 14), byte(i >> 6), byte(i)}), 4000)
		if _, _, result := s.Answer(d, from, now); result != "answered" {
			b.Fatal(result)
		}
	}
}

func TestBindingsAreBounded(t *testing.T) {
	t.Parallel()
	s := udp.New(udp.Options{
		MaxBindings: 50, BindingTime: time.Minute, Rate: 1e6, Burst: 1e6,
		Credentials: func(string) (string, bool) { return "p", true },
	})
	now := time.Now()
	bind := func(host, port int, user string) netip.AddrPort {
		a := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(host)}), uint16(port))
		m := classic(1, attribute(stun.Username, user), attribute(stun.ConnectionRequestBinding, stun.BindingValue))
		if _, _, result := s.Answer(m.Append(nil, []byte("p")), a, now); result != "answered" {
			t.Fatalf("got %s, want an answer", result)
		}
		return a
	}
	for i := range 200 {
		bind(i, 1, string(rune('a'+i)))
	}
	if _, addrs, users := s.Remembered(); addrs != 50 || users != 50 {
		t.Errorf("got %d addresses and %d users, want 50", addrs, users)
	}
	var last netip.AddrPort
	for i := range 20 {
		last = bind(199, 1000+i, "x")
	}
	if got := s.Bindings(last.Addr(), now); len(got) != 8 || got[0] != last {
		t.Errorf("got %v, want the last 8, newest first", got)
	}
	if got := s.Bindings(last.Addr(), now.Add(time.Minute)); len(got) != 0 {
		t.Errorf("got %v a minute later, want none", got)
	}
}

// FuzzAnswer: an answer is small, goes to the address that asked, answers a
// request, and is STUN.
func FuzzAnswer(f *testing.F) {
	user := attribute(stun.Username, "u")
	reflected := classic(1)
	reflected.Add(stun.ResponseAddress, []byte{0, 1, 0, 53, 192, 0, 2, 1})
	for _, m := range []*stun.Message{
		classic(1), classic(2, user), modern(3), modern(4, user, attribute(0x7abc, "x")), reflected,
	} {
		f.Add(m.Append(nil, nil), true)
		f.Add(m.Append(nil, []byte("p")), false)
	}
	public := netip.MustParseAddrPort("203.0.113.1:3478")
	f.Fuzz(func(t *testing.T, b []byte, auth bool) {
		o := udp.Options{Public: public}
		from := netip.MustParseAddrPort("[2001:db8::1]:4000")
		if len(b)%2 == 0 {
			from = netip.MustParseAddrPort("192.0.2.7:4000")
		}
		if auth {
			o.Credentials = func(string) (string, bool) { return "p", true }
		}
		out, to, result := udp.New(o).Answer(b, from, time.Now())
		if len(out) == 0 {
			return
		}
		m, err := stun.Parse(out)
		if err != nil || m.Type != stun.BindingResponse && m.Type != stun.BindingError {
			t.Fatalf("got %x, %v, want an answer", out, err)
		}
		if len(out) > len(b)+48 || to.Addr() != from.Addr() || b[0] != 0 || b[1] != 1 || result == "malformed" {
			t.Fatalf("got %d bytes to %v for %d, result %s", len(out), to, len(b), result)
		}
	})
}
