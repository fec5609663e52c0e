// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"encoding/json"
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

// checkController says whether a row can be that of a Controller.
func (a *Agent) checkController(row string) (groups [][]string, err *usp.Error) {
	id := a.tree.get(row + "EndpointID")
	if id == "" {
		if a.tree.isTrue(row + "Enable") {
			return [][]string{{"Enable"}}, protocolErr(usp.CodeInvalidValue, "it is nobody yet")
		}
		return nil, nil
	}
	if _, err := usp.ParseEndpointID(id); err != nil {
		return [][]string{{"EndpointID"}}, protocolErr(usp.CodeInvalidValue, "no Endpoint ID: "+id)
	}
	return nil, nil
}

// forsake removes what a Controller leaves behind whose row goes [TP-469 1.78].
func (a *Agent) forsake(row string) {
	a.stop(a.periodic[row])
	delete(a.periodic, row)
	for _, n := range slices.Clone(a.tree.rows[subscriptionTable]) {
		if sub := rowPath(subscriptionTable, n); a.tree.get(sub+"Recipient") == strings.TrimSuffix(row, ".") {
			a.tree.removeRow(sub)
		}
	}
}

// bootParameters are the parameters that a Controller wants to see in Boot!, as the JSON
// of ParameterMap; "" if it has no rows.
func (a *Agent) bootParameters(controller string) string {
	table := strings.TrimSuffix(controller, ".") + ".BootParameter."
	values := make(map[string]string)
	for _, n := range a.tree.rows[table] {
		row := rowPath(table, n)
		if !a.tree.isTrue(row + "Enable") {
			continue
		}
		found, err := a.readable(a.tree.get(row + "ParameterName"))
		if err != nil {
			continue
		}
		for _, f := range found {
			for _, r := range a.tree.read(f, 0) {
				for name, v := range r.GetResultParams() {
					values[r.GetResolvedPath()+name] = v
				}
			}
		}
	}
	if len(values) == 0 {
		return ""
	}
	text, _ := json.Marshal(values) // strings can always be encoded
	return string(text)
}

// controllerOf returns the Endpoint ID of a reference to a row.
func (a *Agent) controllerOf(ref string) usp.EndpointID {
	return usp.EndpointID(a.tree.get(strings.TrimSuffix(ref, ".") + ".EndpointID"))
}
