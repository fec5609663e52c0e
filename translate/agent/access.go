// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"maps"
	"slices"

	"github.com/uspgate/uspgate/usp"
)

// Access is who may reach an Agent beside the Controllers of the configuration, and what
// has to be proved for that. It is plain data, fit for JSON.
type Access struct {
	Agent   usp.EndpointID `json:"agent"`
	Grants  []Grant        `json:"grants,omitempty"`
	Demands *Demands       `json:"demands,omitempty"`
}

// Learn takes in the Access of an Agent that another process serves; of one that this Host
// serves it knows better.
func (h *Host) Learn(x Access) {
	if !h.Serves(x.Agent) {
		h.restoreAccess(&x)
	}
}

// restoreAccess takes in what is stored, or told, of an Agent that is not in memory.
func (h *Host) restoreAccess(x *Access) {
	if h.opts.FixedControllers {
		x.Grants = nil
	}
	h.grants.set(x.Agent, x.Grants)
	h.trusted.demand(x.Agent, x.Demands)
}

// demand has the Links of Controllers prove what the Agent wants from now on, and reports
// whether that has changed. The lock is held.
func (a *Agent) demand() bool {
	d, before := a.demanded(), a.host.trusted.demanded(a.id)
	if d.equal(before) {
		return false
	}
	a.host.trusted.demand(a.id, d)
	return true
}

// tellAccess tells other processes who may reach the Agent. The lock is held.
func (a *Agent) tellAccess() {
	if f := a.host.opts.AccessChanged; f != nil {
		f(Access{Agent: a.id, Grants: a.granted(), Demands: a.demanded()})
	}
}

// equal compares what is demanded; nil is nothing.
func (d *Demands) equal(o *Demands) bool {
	if d == nil || o == nil {
		return d == o
	}
	return d.Credentials == o.Credentials && maps.EqualFunc(d.Pins, o.Pins, slices.Equal[[]Fingerprint])
}
