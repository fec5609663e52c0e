// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp/files"
	"github.com/uspgate/uspgate/mtp/listen"
)

// Behind a proxy the CPE is whoever the proxy names, and one that does not name
// anybody keeps nobody else waiting.
func TestProxied(t *testing.T) {
	t.Parallel()
	ln, err := listen.Listen(t.Context(), listen.Options{
		Address: "127.0.0.1:0", ProxyFrom: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, files.Options{Listener: ln, MaxTransfersPerAddress: 1})
	ev := newEvents()
	ticket := offer(t, s, files.Offer{Content: contentOf(pattern(16 << 20)), Access: files.Access{Notify: ev.notify}})
	dial(t, ticket.URL) // says nothing
	request := "GET " + pathOf(t, ticket.URL) + " HTTP/1.0\r\n\r\n"
	for i, tc := range []struct{ from, status string }{
		{"2001:db8::1", "200 OK"},
		{"2001:db8::2", "503 Service Unavailable"}, // of the same /64
		{"2001:db8:0:1::1", "200 OK"},
	} {
		c := dial(t, ticket.URL)
		_, _ = fmt.Fprintf(c, "PROXY TCP6 %s 2001:db8::ffff %d 7567\r\n%s", tc.from, 1000+i, request)
		if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || line != "HTTP/1.0 "+tc.status+"\r\n" {
			t.Fatalf("%s: got %q, %v, want %s", tc.from, line, err, tc.status)
		}
		if tc.status != "200 OK" {
			continue
		}
		want := netip.AddrPortFrom(netip.MustParseAddr(tc.from), uint16(1000+i))
		if e := ev.want(t, files.Started); e.Remote != want {
			t.Errorf("got %v, want %v", e.Remote, want)
		}
	}
}

func TestNeighbourhood(t *testing.T) {
	t.Parallel()
	for a, want := range map[string]string{
		"192.0.2.1": "192.0.2.1/32", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64",
	} {
		if got := files.Neighbourhood(netip.MustParseAddr(a)); got.String() != want {
			t.Errorf("got %v of %s, want %s", got, a, want)
		}
	}
	if files.Neighbourhood(netip.Addr{}).IsValid() {
		t.Error("got a neighbourhood of nobody")
	}
}

func TestIPv6(t *testing.T) {
	t.Parallel()
	s, err := files.New(files.Options{Addr: "[::1]:0"})
	if err != nil {
		t.Fatal(err)
	}
	if err = s.Listen(t.Context()); err != nil {
		t.Skip("no IPv6 here: ", err)
	}
	run(t, s)
	ticket := offer(t, s, files.Offer{Content: contentOf("six")})
	if got := do(t, "GET", ticket.URL, nil); got.text != "six" || !strings.HasPrefix(ticket.URL, "http://[::1]:") {
		t.Errorf("got %d of %s, want the file", got.StatusCode, ticket.URL)
	}
}

// A CPE that looks for an answer only when it has sent everything finds it.
func TestRefusalReachesWhoSendsFirst(t *testing.T) {
	t.Parallel()
	s := start(t, files.Options{})
	ticket := accept(t, s, files.Intake{Open: openNull, MaxBytes: 1000})
	c := dial(t, ticket.URL)
	r := bufio.NewReader(c)
	_, _ = fmt.Fprintf(c, "PUT %s HTTP/1.1\r\nHost: h\r\nContent-Length: 400000\r\n\r\n", pathOf(t, ticket.URL))
	for range 4 {
		if _, err := io.WriteString(c, pattern(100_000)); err != nil {
			t.Fatalf("got %v, want the body to be taken", err)
		}
		if _, err := r.Peek(1); err != nil { // the answer is there, which this CPE does not see yet
			t.Fatal(err)
		}
	}
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Fatalf("got %+v, %v, want 413", resp, err)
	}
}
