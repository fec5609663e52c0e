// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"errors"
	"fmt"

	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// control decides who may manage Agents: the configured Controllers, or, where
// none are, every Controller on this host.
type control map[usp.EndpointID]bool

func newControl(list []config.Controller) control {
	c := make(control, len(list))
	for _, entry := range list {
		c[usp.EndpointID(entry.EndpointID)] = true
	}
	return c
}

// errNotLocal refuses a Controller of another host.
var errNotLocal = errors.New("without controllers in the configuration only peers on this host may control")

func (c control) allows(p *mtp.Peer, id usp.EndpointID) error {
	switch {
	case len(c) > 0 && !c[id]:
		return fmt.Errorf("%s is not among the configured controllers", id)
	case len(c) == 0 && !p.Loopback:
		return errNotLocal
	default:
		return nil
	}
}

// mayManage is routing.Policy: only a Controller that is allowed sends to an
// Agent.
func (c control) mayManage(p *mtp.Peer, from, to usp.Address, _ *usp.Header) error {
	if to.Role != usp.RoleAgent {
		return nil
	}
	return c.allows(p, from.ID)
}

// mayBeReached is asked before an Endpoint is bound to a Link: a Controller that
// is not allowed gets no notifications either. The gateway at the other end of a
// trunk is none: what it sends is judged by who says it.
func (c control) mayBeReached(p *mtp.Peer, a usp.Address) error {
	if a.Role != usp.RoleController || p.Shared && a.ID == p.Endpoint {
		return nil
	}
	return c.allows(p, a.ID)
}
