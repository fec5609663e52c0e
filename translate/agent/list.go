// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/usp"
)

// Each calls f for every Agent that is known at the call, in memory or not, in no
// order. F may take its time, and call the Host.
func (h *Host) Each(f func(id usp.EndpointID, identity cwmp.DeviceID)) {
	r := &h.registry
	r.mu.Lock()
	all := make([]*entry, 0, len(r.byID))
	for _, e := range r.byID {
		all = append(all, e)
	}
	r.mu.Unlock()
	for _, e := range all {
		f(e.id, e.identity) // these never change
	}
}
