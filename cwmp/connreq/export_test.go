// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package connreq

import "net/netip"

// Check is Guard.check.
func (g *Guard) Check(a, source netip.Addr) error { return g.check(a, source) }
