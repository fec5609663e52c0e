// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

const requestTable = localRoot + "Request."

// The values of Status that last; Success and Error are gone with the row.
const (
	requestRequested = "Requested"
	requestActive    = "Active"
	requestCanceled  = "Canceled"
)

// maxRequests bounds the Request table of one Agent.
const maxRequests = 64

// requestObjects is Device.LocalAgent.Request., the asynchronous commands that
// are under way [R-OPR.0].
func requestObjects() []*localObject {
	o := obj(requestTable+"{i}.",
		alias(),
		ro("Originator", path.TypeString, ""),
		ro("Command", path.TypeString, ""),
		ro("CommandKey", path.TypeString, ""),
		ro("Status", path.TypeString, requestRequested),
	).keyed([]string{"Originator", "Command", "CommandKey"}, []string{"Alias"})
	o.commands = []*command{{name: "Cancel()", run: (*Agent).operateCancel}}
	return []*localObject{o}
}

// openRequest makes the row of an asynchronous command. The lock is held.
func (a *Agent) openRequest(c *call, full string) *usp.Error {
	if len(a.local.rows[requestTable]) >= maxRequests {
		return invalid(usp.CodeResourcesExceeded, "", "too many commands are under way")
	}
	t := a.local.begin()
	row := t.add(requestTable, c.r.from)
	t.set(row+"Originator", string(c.r.from))
	t.set(row+"Command", full)
	t.set(row+"CommandKey", c.key)
	if err := a.local.checkRow(row); err != nil {
		t.rollback()
		return invalid(usp.CodeResourcesExceeded, "", "the same command with the same key is under way")
	}
	t.commit()
	c.row = row
	return nil
}

func (a *Agent) setRequest(row, status string) {
	t := a.local.begin()
	t.set(row+"Status", status)
	t.commit()
}

func (a *Agent) dropRequest(row string) {
	a.stop(a.scheduled[row])
	delete(a.scheduled, row)
	if !a.local.exists(row) {
		return
	}
	t := a.local.begin()
	t.remove(row)
	t.commit()
}

// closeRequest ends an asynchronous command: OperationComplete, and the row
// goes. The lock is held.
func (a *Agent) closeRequest(row string, output map[string]string, fail *usp.Error) {
	object, name := splitParam(a.local.get(row + "Command"))
	key := a.local.get(row + "CommandKey")
	a.emitComplete(object, name, key, output, fail)
	a.dropRequest(row)
}

// operateCancel is Request.{i}.Cancel() [R-OPR.3].
func (a *Agent) operateCancel(c *call) {
	a.lock()
	if a.transfers.table.Get(c.object) != nil {
		a.unlock()
		a.cancelTransfer(c)
		return
	}
	if _, ok := a.workOf(c.object); ok {
		a.unlock()
		a.cancelJob(c)
		return
	}
	defer a.unlock()
	if !a.waitsHere(c.object) {
		c.err = invalid(usp.CodeCommandFailure, "", a.local.get(c.object+"Command")+" cannot be canceled")
		return
	}
	a.setRequest(c.object, requestCanceled)
	a.closeRequest(c.object, nil, invalid(usp.CodeCommandCanceled, "", "canceled"))
}
