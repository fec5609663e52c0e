// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import "strings"

// Known reports whether the CPE is known to have an object or parameter, hidden ones
// included, by its name on the CPE. In the name {i} stands for any instance number:
// Device.IP.Interface.{i}.Reset.
func (v *View) Known(name string) bool {
	v.use()
	rel, ok := v.relative(name)
	return ok && v.raw.has(rel)
}

// has reports whether n has a descendant with the relative name, which may have {i}.
func (n *node) has(rel string) bool {
	for rel != "" {
		seg, rest, _ := strings.Cut(rel, ".")
		if seg == "{i}" {
			for _, k := range n.kids {
				if k.num != 0 && k.has(rest) {
					return true
				}
			}
			return false
		}
		if n = n.child(seg); n == nil {
			return false
		}
		rel = rest
	}
	return true
}
