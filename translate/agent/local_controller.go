// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"time"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

const controllerTable = localRoot + "Controller."

// unknownTime is the dateTime of what is not known [R-ENC.6].
const unknownTime = "0001-01-01T00:00:00Z"

// controllerObjects is Device.LocalAgent.Controller. [TR-181 Controllers:1].
// Its rows are the Controllers of the configuration, or, where it names none,
// those that have spoken; no Controller makes or removes another.
func controllerObjects() []*localObject {
	c := obj(controllerTable+"{i}.",
		alias(),
		ro("EndpointID", path.TypeString, ""),
		ro("Enable", path.TypeBoolean, "true"),
		rw("ControllerCode", path.TypeString, "", maxLen(128)),
		rw("ProvisioningCode", path.TypeString, "", maxLen(64)),
		rw("AssignedRole", path.TypeString|path.List, firstRole),
		ro("InheritedRole", path.TypeString|path.List, ""),
		ro("Credential", path.TypeString|path.List, ""),
		rw("PeriodicNotifInterval", path.TypeUnsignedInt, "86400", between(1, 1<<32-1)),
		rw("PeriodicNotifTime", path.TypeDateTime, unknownTime),
		rw("USPNotifRetryMinimumWaitInterval", path.TypeUnsignedInt, "5", between(1, 65535)),
		rw("USPNotifRetryIntervalMultiplier", path.TypeUnsignedInt, "2000", between(1000, 65535)),
		rw("OnBoardingComplete", path.TypeBoolean, "false"),
		rw("OnBoardingRestartTime", path.TypeUnsignedInt, "0"),
		count("MTP"), count("BootParameter"),
	).keyed([]string{"EndpointID"}, []string{"Alias"})
	c.check = checkAssignedRole
	c.commands = []*command{sendOnBoardRequestCommand()}
	mtp := obj(c.Path+"MTP.{i}.",
		alias(),
		ro("Enable", path.TypeBoolean, "true"),
		ro("Protocol", path.TypeString, ""),
		ro("Order", path.TypeUnsignedInt, "1"),
	).keyed([]string{"Protocol"}, []string{"Alias"})
	boot := obj(c.Path+"BootParameter.{i}.",
		alias(),
		rw("Enable", path.TypeBoolean, "false"),
		rw("ParameterName", path.TypeString, "", maxLen(256)),
	).keyed([]string{"ParameterName"}, []string{"Alias"}).rows()
	boot.check = checkBootParameter
	return []*localObject{c, sessionObject(c.Path), mtp, boot, transferPolicy()}
}

// maxBootRows bounds the BootParameter table of one Controller.
const maxBootRows = 64

// checkBootParameter refuses a ParameterName that can never be a parameter.
func checkBootParameter(l *local, row string) *usp.Error {
	if len(l.rows[tableOf(row)]) > maxBootRows {
		return invalid(usp.CodeResourcesExceeded, row, "too many BootParameters")
	}
	name := l.get(row + "ParameterName")
	if name == "" {
		return nil
	}
	if p, err := path.Parse(name); err != nil || p.Kind() == path.Command || p.Kind() == path.Event {
		return invalid(usp.CodeInvalidValue, row+"ParameterName", "not a path of parameters")
	}
	return nil
}

// restoreController makes or completes the row of a configured Controller.
func (a *Agent) restoreController(t *tx, c *Controller) {
	if row := a.controllerRow(c.EndpointID); row != "" {
		t.assignRole(row, c.Role)
		return
	}
	row := t.add(controllerTable, "")
	t.set(row+"EndpointID", string(c.EndpointID))
	t.assignRole(row, c.Role)
	t.set(row+"ProvisioningCode", c.ProvisioningCode)
	if s := int(c.PeriodicNotifInterval / time.Second); s > 0 {
		t.set(row+"PeriodicNotifInterval", number(s))
	}
	if c.Protocol != "" {
		t.set(t.add(row+"MTP.", "")+"Protocol", c.Protocol)
	}
}

// controllerRow returns the row of a Controller, "" if it has none.
func (a *Agent) controllerRow(id usp.EndpointID) string {
	return a.local.find(controllerTable, "EndpointID", string(id))
}

// admit says whether a Controller may talk to the Agent at all, and gives one
// that is new its row.
func (a *Agent) admit(c usp.EndpointID) *usp.Error {
	a.lock()
	defer a.unlock()
	if !a.mayControl(c) {
		return &usp.Error{Code: usp.CodePermissionDenied, Text: "this Controller may not control this Agent"}
	}
	if len(a.host.opts.Controllers) > 0 {
		return nil
	}
	a.heard[c] = time.Now()
	if a.controllerRow(c) != "" {
		return nil
	}
	t := a.local.begin()
	if len(a.local.rows[controllerTable]) >= a.host.opts.LearnedControllers {
		idle := a.idleController()
		if idle == "" {
			delete(a.heard, c)
			return &usp.Error{Code: usp.CodeResourcesExceeded, Text: "too many Controllers"}
		}
		a.forgetController(t, idle)
	}
	t.set(t.add(controllerTable, "")+"EndpointID", string(c))
	t.commit()
	return nil
}

// idleController returns the learned Controller that was heard of longest ago
// among those that have left nothing behind and wait for nothing; "" for none.
// The lock is held.
func (a *Agent) idleController() usp.EndpointID {
	busy := make(map[usp.EndpointID]bool)
	for key := range a.lanes.inFlight {
		busy[key.from] = true
	}
	a.local.each(subscriptionTable, func(row string) { busy[a.controllerOf(a.local.get(row+"Recipient"))] = true })
	a.local.each(profileTable, func(row string) { busy[a.controllerOf(a.local.get(row+"Controller"))] = true })
	a.local.each(requestTable, func(row string) { busy[usp.EndpointID(a.local.get(row+"Originator"))] = true })
	var idle usp.EndpointID
	a.local.each(controllerTable, func(row string) {
		id := usp.EndpointID(a.local.get(row + "EndpointID"))
		if busy[id] || len(a.local.rows[row+"BootParameter."]) > 0 {
			return
		}
		if idle == "" || a.heard[id].Before(a.heard[idle]) {
			idle = id
		}
	})
	return idle
}

// forgetController removes what is known of a learned Controller. The lock is
// held.
func (a *Agent) forgetController(t *tx, id usp.EndpointID) {
	t.remove(a.controllerRow(id))
	delete(a.heard, id)
	delete(a.versions, id)
}

// controllerOf returns the Endpoint ID of a reference to a Controller row.
func (a *Agent) controllerOf(ref string) usp.EndpointID {
	if ref == "" {
		return ""
	}
	return usp.EndpointID(a.local.get(ref + ".EndpointID"))
}

// seconds reads a parameter that holds a number of seconds.
func (l *local) seconds(param string) time.Duration {
	n, ok := parseUint(l.get(param))
	if !ok {
		return 0
	}
	return time.Duration(n) * time.Second
}
