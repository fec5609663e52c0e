// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"slices"

	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/usp"
)

// showing is a binding on whose far side Endpoints of this gateway have names
// of their own: topics, destinations, or a connection each.
type showing struct {
	to       mtp.Representer
	name     string   // of the binding
	role     usp.Role // of the Endpoints that are shown: the opposite of the peers'
	patterns []string
	// fleeting: an Endpoint that has left is not shown any more. Elsewhere
	// Records for it go on to be taken in, and wait.
	fleeting bool
}

func newShowing(m *config.MTP, role usp.Role, to mtp.Representer) showing {
	return showing{
		to: to, name: m.Name, role: role.Opposite(), patterns: m.Represents, fleeting: m.Link == "per_agent",
	}
}

// see takes what the router says of an Endpoint.
func (s *showing) see(e routing.Event) {
	if s.role != usp.RoleUnknown && e.Address.Role != s.role || e.Address.Role == usp.RoleUnknown ||
		e.Listener == s.name || !slices.ContainsFunc(s.patterns, e.Address.ID.Like) {
		return
	}
	if s.fleeting && e.State != routing.Online {
		s.to.Withdraw(e.Address)
	} else {
		s.to.Represent(e.Address)
	}
}

// represent keeps every binding up to date on whom it shows, until the result
// is called.
func (a *App) represent() (stop func()) {
	if len(a.showings) == 0 {
		return func() {}
	}
	return a.router.WatchAll(func(e routing.Event) {
		for i := range a.showings {
			a.showings[i].see(e)
		}
	})
}
