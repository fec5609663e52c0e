// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"crypto/x509"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/usp"
)

// control decides who may manage Agents: the configured Controllers, or, where none are,
// every Controller on this host; and, of Virtual Agents alone, those that have been added
// to their Controller tables, and, if the configuration wants it, everybody who has
// proved who it is.
type control struct {
	listed    map[usp.EndpointID]bool
	untrusted bool
	// host is set once there are Virtual Agents; told before, unless there is one node.
	host atomic.Pointer[agent.Host]
	told func(met)
}

func newControl(c *config.Config) *control {
	k := &control{
		listed: make(map[usp.EndpointID]bool, len(c.Controllers)), untrusted: c.Translate.Unknown == config.Untrusted,
	}
	for _, entry := range c.Controllers {
		k.listed[usp.EndpointID(entry.EndpointID)] = true
	}
	return k
}

// errNotLocal refuses a Controller of another host.
var errNotLocal = errors.New("without controllers in the configuration only peers on this host may control")

// allows is about all Agents.
func (c *control) allows(p *mtp.Peer, id usp.EndpointID) error {
	switch {
	case len(c.listed) > 0 && !c.listed[id]:
		return fmt.Errorf("%s is not among the configured controllers", id)
	case len(c.listed) == 0 && !p.Loopback:
		return errNotLocal
	default:
		return nil
	}
}

// proven reports whether somebody who is not known may be let in as untrusted: it has shown
// a certificate or password that is good for its Endpoint ID, or is on this host.
func (c *control) proven(p *mtp.Peer) bool {
	who := &p.Identity
	named := (who.Method == "certificate" || who.Method == "password") && len(who.IDs)+len(who.Patterns) > 0
	return c.untrusted && !p.Shared && (named || p.Loopback)
}

// mayManage is routing.Policy: only a Controller that is allowed sends to an
// Agent.
func (c *control) mayManage(p *mtp.Peer, from, to usp.Address, _ *usp.Header) error {
	if to.Role != usp.RoleAgent {
		return nil
	}
	err, h := c.allows(p, from.ID), c.host.Load()
	if h == nil {
		return err
	}
	if err != nil && (h.Granted(to.ID, from.ID) || c.proven(p) && h.Serves(to.ID)) {
		err = nil
	}
	if err != nil {
		return err
	}
	if p.Shared { // nobody is bound to it by what it says
		c.meet(h, p, from.ID)
	}
	return h.Check(to.ID, from.ID, c.chain(p))
}

// meet notes how a Controller has shown itself.
func (c *control) meet(h *agent.Host, p *mtp.Peer, id usp.EndpointID) {
	m := met{Controller: id, Chain: agent.FingerprintsOf(c.chain(p)), Protected: p.Protected || p.Loopback}
	if h.Meet(m.Controller, m.Chain, m.Protected) && c.told != nil {
		c.told(m)
	}
}

// chain is what a Link proves of the Controllers that speak over it: of a shared one the
// certificate is that of the broker or gateway.
func (c *control) chain(p *mtp.Peer) []*x509.Certificate {
	if p.Shared {
		return nil
	}
	return p.Identity.Chain
}

// mayBeReached is asked before an Endpoint is bound to a Link: a Controller that
// is not allowed gets no notifications either. The gateway at the other end of a
// trunk is none: what it sends is judged by who says it.
func (c *control) mayBeReached(p *mtp.Peer, a usp.Address) error {
	if a.Role != usp.RoleController || p.Shared && a.ID == p.Endpoint {
		return nil
	}
	h := c.host.Load()
	if err := c.allows(p, a.ID); err != nil && !c.proven(p) {
		if h == nil {
			return err
		}
		if _, ok := h.GrantOf(a.ID); !ok {
			return err
		}
	}
	if h != nil {
		c.meet(h, p, a.ID)
	}
	return nil
}
