// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"cmp"

	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/usp"
)

// What nodes tell each other of Controllers. Where it gets lost a node knows what is
// stored from when Agents come to it the next time.
const (
	newsAccess = "access" // who may reach an Agent: agent.Access
	newsMet    = "met"    // how a Controller has shown itself: met
)

// met is what agent.Host.Meet is told of.
type met struct {
	Controller usp.EndpointID      `json:"controller"`
	Chain      []agent.Fingerprint `json:"chain,omitempty"`
	Protected  bool                `json:"protected,omitempty"`
}

// accessChanged is agent.Options.AccessChanged.
func (a *App) accessChanged() func(agent.Access) {
	if a.node == nil {
		return nil
	}
	return func(x agent.Access) { a.tell(newsAccess, x) }
}

// shareTrust has what one node knows of Controllers be known at all.
func (a *App) shareTrust(o Options) {
	defer a.control.host.Store(a.host)
	for _, c := range o.Config.Controllers { // what is sent there is not asked about
		if exposes(o.Config, cmp.Or(c.MTP, behind(o.Config, c.EndpointID))) {
			a.host.Meet(usp.EndpointID(c.EndpointID), nil, false)
		}
	}
	if a.node == nil {
		return
	}
	a.control.told = func(m met) { a.tell(newsMet, m) }
	hear(a.node, newsAccess, a.host.Learn)
	hear(a.node, newsMet, func(m met) { a.host.Meet(m.Controller, m.Chain, m.Protected) })
}
