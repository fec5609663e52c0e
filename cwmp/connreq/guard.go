// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package connreq

import (
	"fmt"
	"net/netip"
	"slices"
)

// metadata are services of clouds that answer whoever asks.
func metadata(a netip.Addr) bool {
	switch a {
	case netip.AddrFrom4([4]byte{169, 254, 169, 254}), netip.AddrFrom4([4]byte{169, 254, 170, 2}),
		netip.AddrFrom4([4]byte{100, 100, 100, 200}), netip.AddrFrom4([4]byte{168, 63, 129, 16}),
		netip.AddrFrom16([16]byte{0: 0xfd, 2: 0x0e, 3: 0xc2, 14: 0x02, 15: 0x54}):
		return true
	default:
		return false
	}
}

// embedded returns the IPv4 address that an IPv6 address stands for: mapped,
// NAT64 [RFC 6052], 6to4 or compatible; else a.
func embedded(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if !a.Is6() || a.IsUnspecified() || a.IsLoopback() {
		return a
	}
	b := a.As16()
	switch {
	case netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0x00, 1: 0x64, 2: 0xff, 3: 0x9b}), 96).Contains(a),
		netip.PrefixFrom(netip.IPv6Unspecified(), 96).Contains(a):
		return netip.AddrFrom4([4]byte(b[12:]))
	case b[0] == 0x20 && b[1] == 0x02:
		return netip.AddrFrom4([4]byte(b[2:6]))
	default:
		return a
	}
}

// Check returns ErrForbidden unless a may be called for a CPE whose last session
// came from source.
func (g *Guard) Check(a, source netip.Addr) error {
	a, source = a.Unmap().WithZone(""), source.Unmap().WithZone("")
	if err := g.never(a); err != nil {
		return err
	}
	if v4 := embedded(a); v4 != a {
		if err := g.never(v4); err != nil {
			return err
		}
	}
	if a.IsLoopback() || a == source || g.contain(a) {
		return nil
	}
	if len(g.Networks) > 0 || g.SourceOnly {
		return fmt.Errorf("%w: %s is in none of the allowed networks", ErrForbidden, a)
	}
	return nil
}

// never returns an error for what may not be called, whatever Networks says.
func (g *Guard) never(a netip.Addr) error {
	switch {
	case !a.IsValid(), a.IsUnspecified(), a.IsMulticast(), a.IsInterfaceLocalMulticast(), metadata(a),
		a == netip.AddrFrom4([4]byte{255, 255, 255, 255}), a.Is4() && a.As4()[0] == 0:
		return fmt.Errorf("%w: %s", ErrForbidden, a)
	case a.IsLoopback() && !g.AllowLoopback:
		return fmt.Errorf("%w: %s is loopback", ErrForbidden, a)
	case a.IsLinkLocalUnicast() && !g.named(a):
		return fmt.Errorf("%w: %s is link-local", ErrForbidden, a)
	default:
		return nil
	}
}

func (g *Guard) contain(a netip.Addr) bool {
	return slices.ContainsFunc(g.Networks, func(n netip.Prefix) bool { return n.Contains(a) })
}

// named reports whether a link-local address is in a network that is link-local
// itself: who lists one means it.
func (g *Guard) named(a netip.Addr) bool {
	return slices.ContainsFunc(g.Networks, func(n netip.Prefix) bool {
		return n.Contains(a) && n.Masked().Addr().IsLinkLocalUnicast()
	})
}
