// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"slices"

	"github.com/uspgate/uspgate/usp"
)

// given are the Controllers that the configuration gives this Agent, none where it names
// none at all. The lock is held.
func (a *Agent) given() []Controller { return a.host.opts.Controllers }

// roles are the Roles that it gives this Agent. The lock is held.
func (a *Agent) roles() []Role { return a.host.opts.Roles }

// mayControl reports whether the configuration lets c control this Agent: it gives it c,
// or names nobody. The lock is held.
func (a *Agent) mayControl(c usp.EndpointID) bool {
	is := func(have Controller) bool { return have.EndpointID == c }
	return len(a.host.opts.Controllers) == 0 || slices.ContainsFunc(a.given(), is)
}
