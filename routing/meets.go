// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"slices"

	"github.com/uspgate/uspgate/usp"
)

// Meets reports whether a Link of another Transport than except shows this
// Agent to the Controller, and no other: then nobody else opens one for the two
// [R-WS.4].
func (r *Router) Meets(agent, controller usp.EndpointID, except string) bool {
	e := r.table.get(usp.Address{ID: controller, Role: usp.RoleController})
	if e == nil {
		return false
	}
	l := e.own(agent)
	if l == nil {
		return false
	}
	links := l.links.Load()
	return links != nil && slices.ContainsFunc(*links, func(b binding) bool {
		return !b.p.dead.Load() && b.p.peer.Listener != except
	})
}
