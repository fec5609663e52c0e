// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package connreq_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/uspgate/uspgate/cwmp/connreq"
)

func TestGuard(t *testing.T) {
	t.Parallel()
	nets := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	local := []netip.Prefix{netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("fe80::/10")}
	all := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}
	for _, tc := range []struct {
		name  string
		guard connreq.Guard
		a     string
		want  error
	}{
		{"anywhere", connreq.Guard{}, "198.51.100.1", nil},
		{"private", connreq.Guard{}, "192.168.0.1", nil},
		{"loopback", connreq.Guard{}, "127.0.0.2", connreq.ErrForbidden},
		{"loopback 6", connreq.Guard{}, "::1", connreq.ErrForbidden},
		{"loopback mapped", connreq.Guard{}, "::ffff:127.0.0.1", connreq.ErrForbidden},
		{"loopback allowed", connreq.Guard{AllowLoopback: true}, "127.0.0.1", nil},
		{"metadata", connreq.Guard{AllowLoopback: true}, "169.254.169.254", connreq.ErrForbidden},
		{"metadata mapped", connreq.Guard{}, "::ffff:169.254.169.254", connreq.ErrForbidden},
		{"metadata 6", connreq.Guard{}, "fd00:ec2::254", connreq.ErrForbidden},
		{"metadata elsewhere", connreq.Guard{}, "100.100.100.200", connreq.ErrForbidden},
		{"link-local with a zone", connreq.Guard{}, "fe80::1%eth0", connreq.ErrForbidden},
		{"unspecified", connreq.Guard{AllowLoopback: true}, "0.0.0.0", connreq.ErrForbidden},
		{"multicast", connreq.Guard{}, "224.0.0.1", connreq.ErrForbidden},
		{"broadcast", connreq.Guard{}, "255.255.255.255", connreq.ErrForbidden},
		{"in a network", connreq.Guard{Networks: nets}, "10.1.2.3", nil},
		{"in a network 6", connreq.Guard{Networks: nets}, "2001:db8::1", nil},
		{"in none", connreq.Guard{Networks: nets}, "198.51.100.1", connreq.ErrForbidden},
		{"source", connreq.Guard{Networks: nets}, "192.0.2.7", nil},
		{"source only", connreq.Guard{SourceOnly: true}, "192.0.2.7", nil},
		{"source mapped", connreq.Guard{SourceOnly: true}, "::ffff:192.0.2.7", nil},
		{"not the source", connreq.Guard{SourceOnly: true}, "192.0.2.8", connreq.ErrForbidden},
		{"link-local in a network", connreq.Guard{Networks: all}, "169.254.1.1", connreq.ErrForbidden},
		{"link-local in one of its own", connreq.Guard{Networks: local}, "169.254.1.1", nil},
		{"link-local 6 in one of its own", connreq.Guard{Networks: local}, "fe80::1%eth0", nil},
		{"metadata in one of its own", connreq.Guard{Networks: local}, "169.254.169.254", connreq.ErrForbidden},
		{"metadata by NAT64", connreq.Guard{}, "64:ff9b::a9fe:a9fe", connreq.ErrForbidden},
		{"loopback by NAT64", connreq.Guard{}, "64:ff9b::7f00:1", connreq.ErrForbidden},
		{"loopback by 6to4", connreq.Guard{}, "2002:7f00:1::1", connreq.ErrForbidden},
		{"loopback compatible", connreq.Guard{}, "::127.0.0.1", connreq.ErrForbidden},
		{"elsewhere by NAT64", connreq.Guard{}, "64:ff9b::c633:6401", nil},
		{"this network", connreq.Guard{Networks: all}, "0.1.2.3", connreq.ErrForbidden},
		{"metadata in a network", connreq.Guard{Networks: all}, "169.254.169.254", connreq.ErrForbidden},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			err := tc.guard.Check(netip.MustParseAddr(tc.a), netip.MustParseAddr("192.0.2.7"))
			if !errors.Is(err, tc.want) || (err == nil) != (tc.want == nil) {
				t.Fatalf("got %v, want %v", err, tc.want)
			}
		})
	}
}

func TestGuardWithoutASource(t *testing.T) {
	t.Parallel()
	g := connreq.Guard{SourceOnly: true}
	for _, a := range []netip.Addr{{}, netip.MustParseAddr("192.0.2.7")} {
		if err := g.Check(a, netip.Addr{}); !errors.Is(err, connreq.ErrForbidden) {
			t.Errorf("%v: got %v, want ErrForbidden", a, err)
		}
	}
}
