// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/uspgate/uspgate/usp"
)

const controllerTable = localAgent + "Controller."

// controllerRow returns the row of a Controller, and makes one for a Controller that is
// new: it obeys them all.
func (a *Agent) controllerRow(id usp.EndpointID) string {
	if row := a.tree.find(controllerTable, "EndpointID", string(id)); row != "" {
		return row
	}
	row := a.tree.addRow(controllerTable, 0)
	a.tree.values[row+"EndpointID"] = string(id)
	a.tree.values[row+"Enable"] = "true"
	a.schedule(row)
	return row
}

// periodicInterval is the parameter that schedule reads.
const periodicInterval = "PeriodicNotifInterval"

// schedule sends Periodic! to a Controller every so often.
func (a *Agent) schedule(row string) {
	a.stop(a.periodic[row])
	s, err := strconv.ParseUint(a.tree.get(row+periodicInterval), 10, 32)
	if err != nil || s == 0 {
		return
	}
	a.periodic[row] = a.after(time.Duration(s)*time.Second, func() {
		subs := a.subscribers("Event", localAgent+"Periodic!", false)
		subs = slices.DeleteFunc(subs, func(sub string) bool {
			return a.tree.get(sub+"Recipient") != strings.TrimSuffix(row, ".")
		})
		a.eventTo(subs, localAgent, "Periodic!", nil)
		a.schedule(row)
	})
}

// controllerOf returns the Endpoint ID of a reference to a row.
func (a *Agent) controllerOf(ref string) usp.EndpointID {
	return usp.EndpointID(a.tree.get(strings.TrimSuffix(ref, ".") + ".EndpointID"))
}
