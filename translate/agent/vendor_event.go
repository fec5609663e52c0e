// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"strings"

	"github.com/uspgate/uspgate/cwmp"
)

// vendorEvent is the event for those events of Informs that only their vendor knows
// [TR-069 3.7.1.5]: X OUI event, and M X… for the end of what a vendor's method has
// ordered.
func vendorEvent() event { return event{"X_USPGATE_CPEEvent!", []string{"EventCode", "CommandKey"}} }

// emitVendorEvents tells of them in the order in which the Inform has them. The lock is
// held.
func (a *Agent) emitVendorEvents(in *cwmp.Inform) {
	for _, e := range in.Events {
		if !strings.HasPrefix(e.Code, "X ") && !strings.HasPrefix(e.Code, "M X") {
			continue
		}
		a.emitEvent("Device.", vendorEvent().name, map[string]string{
			"EventCode": strings.Clone(e.Code), "CommandKey": strings.Clone(e.CommandKey),
		}, "", nil)
	}
}
