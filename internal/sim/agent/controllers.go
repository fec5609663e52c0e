// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"strings"

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
	return row
}

// controllerOf returns the Endpoint ID of a reference to a row.
func (a *Agent) controllerOf(ref string) usp.EndpointID {
	return usp.EndpointID(a.tree.get(strings.TrimSuffix(ref, ".") + ".EndpointID"))
}
