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

// controllerObjects is Device.LocalAgent.Controller. [TR-181 Controllers:1]. Its rows are
// the Controllers of the configuration, which stay as it says, those that Controllers have
// added, unless the configuration forbids that, and those that have been learned; see
// controllers.go.
func controllerObjects(o *Options) []*localObject {
	own := rw // for what is in the hands of Controllers where they may add rows
	if o.FixedControllers {
		own = fixedColumn
	}
	c := obj(controllerTable+"{i}.",
		alias(),
		unlessFixed(o, once("EndpointID", path.TypeString, isEndpointID)),
		own("Enable", path.TypeBoolean, "true"),
		rw("ControllerCode", path.TypeString, "", maxLen(128)),
		rw("ProvisioningCode", path.TypeString, "", maxLen(64)),
		rw("AssignedRole", path.TypeString|path.List, firstRole),
		ro("InheritedRole", path.TypeString|path.List, ""),
		rw("Credential", path.TypeString|path.List, ""),
		rw("PeriodicNotifInterval", path.TypeUnsignedInt, "86400", between(1, 1<<32-1)),
		rw("PeriodicNotifTime", path.TypeDateTime, unknownTime),
		rw("USPNotifRetryMinimumWaitInterval", path.TypeUnsignedInt, "5", between(1, 65535)),
		rw("USPNotifRetryIntervalMultiplier", path.TypeUnsignedInt, "2000", between(1000, 65535)),
		rw("OnBoardingComplete", path.TypeBoolean, "false"),
		rw("OnBoardingRestartTime", path.TypeUnsignedInt, "0"),
		count("MTP"), count("BootParameter"),
	).keyed([]string{"EndpointID"}, []string{"Alias"})
	c.check, c.added = checkController, addedController
	c.commands = []*command{sendOnBoardRequestCommand(), addMyCertificateCommand()}
	boot := obj(c.Path+"BootParameter.{i}.",
		alias(),
		rw("Enable", path.TypeBoolean, "false"),
		rw("ParameterName", path.TypeString, "", maxLen(256)),
	).keyed([]string{"ParameterName"}, []string{"Alias"}).rows()
	boot.check = checkBootParameter
	objects := controllerMTPObjects(c.Path, o)
	if !o.FixedControllers {
		c.rows()
		objects[0].rows()
	}
	return append(objects, c, sessionObject(c.Path), boot, transferPolicy())
}

// fixedColumn is rw where the configuration says that nobody may write it.
func fixedColumn(name string, t path.Type, def string, _ ...func(string) *usp.Error) *column {
	return ro(name, t, def)
}

// unlessFixed is c, read-only where the configuration says that nobody may write it.
func unlessFixed(o *Options, c *column) *column {
	if o.FixedControllers {
		return ro(c.Name, c.Type, c.def)
	}
	return c
}

func isEndpointID(v string) *usp.Error {
	if _, err := usp.ParseEndpointID(v); err != nil {
		return &usp.Error{Code: usp.CodeInvalidValue, Text: "no Endpoint ID: " + err.Error()}
	}
	return nil
}

// addedController makes the first values of a row that a Controller adds: disabled and
// without a Role until somebody says otherwise.
func addedController(t *tx, row string, by usp.EndpointID) {
	if by == "" { // the Agent's own
		return
	}
	t.set(row+hiddenOrigin, originAdded)
	t.set(row+"Enable", "false")
	t.set(row+"AssignedRole", "")
}

// checkController looks at a row of the Controller table as a whole.
func checkController(l *local, row string) *usp.Error {
	id := usp.EndpointID(l.get(row + "EndpointID"))
	switch {
	case l.countOrigin(originAdded) > l.agent.host.opts.AddedControllers:
		return invalid(usp.CodeResourcesExceeded, row, "too many Controllers")
	case id == l.agent.id:
		return invalid(usp.CodeInvalidValue, row+"EndpointID", "the Agent's own")
	case id == "" && l.isTrue(row+"Enable"):
		return invalid(usp.CodeInvalidValue, row+"Enable", "a Controller without EndpointID cannot be enabled")
	case !l.isTrue(row+"Enable") && l.configured(row):
		return invalid(usp.CodeRequestDenied, row+"Enable", "the configuration says that this Controller is enabled")
	}
	if err := l.areCertificates(row+"Credential", references(l.get(row+"Credential"))); err != nil {
		return err
	}
	return checkAssignedRole(l, row)
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
		a.claimController(t, row)
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
