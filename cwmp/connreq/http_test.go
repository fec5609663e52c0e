// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package connreq_test

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/uspgate/uspgate/cwmp/connreq"
)

// TestQuirk80Candidates: where the announced address cannot be that of the CPE, the
// source of its last session comes first, with the same port and path.
func TestQuirk80Candidates(t *testing.T) {
	t.Parallel()
	const public, six = "203.0.113.9", "2001:db8::9"
	for _, tc := range []struct {
		url, source string
		want        []string
	}{
		{"http://198.51.100.1:80/x?y=1", public, []string{"http://198.51.100.1:80/x?y=1", "http://203.0.113.9:80/x?y=1"}},
		{"http://192.168.1.254:30005/x", public, []string{"http://203.0.113.9:30005/x", "http://192.168.1.254:30005/x"}},
		{"http://100.64.3.4/x", public, []string{"http://203.0.113.9/x", "http://100.64.3.4/x"}},
		{"http://0.0.0.0:7547/x", public, []string{"http://203.0.113.9:7547/x", "http://0.0.0.0:7547/x"}},
		{"http://127.0.0.1:7547/x", public, []string{"http://203.0.113.9:7547/x", "http://127.0.0.1:7547/x"}},
		{"http://[fe80::1%25eth0]:7547/x", six, []string{"http://[2001:db8::9]:7547/x", "http://[fe80::1%25eth0]:7547/x"}},
		{"http://[fe80::1%eth0]/x", six, []string{"http://[2001:db8::9]/x", "http://[fe80::1%eth0]/x"}},
		{"http://192.168.1.254/x", "10.0.0.1", []string{"http://192.168.1.254/x", "http://10.0.0.1/x"}},
		{"http://cpe.example.com/x", public, []string{"http://cpe.example.com/x", "http://203.0.113.9/x"}},
		{"http://203.0.113.9/x", "::ffff:" + public, []string{"http://203.0.113.9/x"}},
		{"http://203.0.113.9/x", "", []string{"http://203.0.113.9/x"}},
		{"nonsense", public, []string{"nonsense"}},
	} {
		var source netip.Addr
		if tc.source != "" {
			source = netip.MustParseAddr(tc.source)
		}
		if got := connreq.Candidates(tc.url, source); !slices.Equal(got, tc.want) {
			t.Errorf("%s, source %s: got %q, want %q", tc.url, tc.source, got, tc.want)
		}
	}
}

// TestQuirk80Source: with real sockets.
func TestQuirk80Source(t *testing.T) {
	t.Parallel()
	login := connreq.Login{Username: "acs", Password: "secret"}
	for _, host := range []string{"0.0.0.0", "192.0.2.1", "[fe80::1%eth0]", "127.0.0.9"} {
		c := newCPE(t, challenge(`Digest realm="r", nonce="n"`), status("200 OK", ""))
		_, port, _ := net.SplitHostPort(c.addr)
		source := netip.MustParseAddr("127.0.0.1")
		o := local()
		o.Guard.SourceOnly = true
		p := &connreq.CPE{URL: "http://" + host + ":" + port + "/path", Source: source}
		to, err := connreq.New(o).Request(t.Context(), p, login)
		if err != nil || to != "http://127.0.0.1:"+port+"/path" || c.reqs[1].RequestURI != "/path" {
			t.Errorf("%s: got %q, %v, want the source asked for the same path", host, to, err)
		}
	}
}

func TestRequestErrors(t *testing.T) {
	t.Parallel()
	source := netip.MustParseAddr("127.0.0.1")
	o := local()
	o.Guard.SourceOnly = true
	client := connreq.New(o)
	refused := newCPE(t, challenge(`Digest realm="r", nonce="n"`))
	for _, tc := range []struct {
		name  string
		p     connreq.CPE
		want  error
		conns int
	}{
		{"not to be called", connreq.CPE{URL: "http://169.254.169.254/x"}, connreq.ErrForbidden, 0},
		{"no URL", connreq.CPE{URL: "nonsense"}, connreq.ErrForbidden, 0},
		{"nobody at the source", connreq.CPE{URL: "http://192.0.2.1:1/x", Source: source}, connreq.ErrUnreachable, 0},
		{"its own word", connreq.CPE{URL: refused.target().URL, Source: source}, connreq.ErrCredentials, 1},
	} {
		_, err := client.Request(t.Context(), &tc.p, connreq.Login{Username: "u"})
		if conns := refused.connections(); !errors.Is(err, tc.want) || conns != tc.conns {
			t.Errorf("%s: got %v after %d connections, want %v after %d", tc.name, err, conns, tc.want, tc.conns)
		}
	}
	if client.Reaches(&connreq.CPE{}) || !client.Reaches(&connreq.CPE{URL: "x"}) {
		t.Error("want a CPE in reach if it has a URL")
	}
}
