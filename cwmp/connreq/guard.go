// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package connreq

import (
	"fmt"
	"net/netip"
)

// metadata are services of clouds that answer whoever asks, outside the
// link-local range.
func metadata(a netip.Addr) bool {
	switch a {
	case netip.AddrFrom4([4]byte{100, 100, 100, 200}), netip.AddrFrom4([4]byte{168, 63, 129, 16}),
		netip.AddrFrom16([16]byte{0: 0xfd, 2: 0x0e, 3: 0xc2, 14: 0x02, 15: 0x54}):
		return true
	default:
		return false
	}
}

// Check returns ErrForbidden unless a may be called for a CPE whose last session
// came from source.
func (g *Guard) Check(a, source netip.Addr) error {
	a, source = a.Unmap().WithZone(""), source.Unmap().WithZone("")
	switch {
	case !a.IsValid(), a.IsUnspecified(), a.IsMulticast(), a.IsInterfaceLocalMulticast(), a.IsLinkLocalUnicast(),
		metadata(a), a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return fmt.Errorf("%w: %s", ErrForbidden, a)
	case a.IsLoopback():
		if !g.AllowLoopback {
			return fmt.Errorf("%w: %s is loopback", ErrForbidden, a)
		}
		return nil
	case a == source:
		return nil
	}
	for _, n := range g.Networks {
		if n.Contains(a) {
			return nil
		}
	}
	if len(g.Networks) > 0 || g.SourceOnly {
		return fmt.Errorf("%w: %s is in none of the allowed networks", ErrForbidden, a)
	}
	return nil
}
