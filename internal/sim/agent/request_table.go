// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"strconv"
	"strings"
	"time"

	"github.com/uspgate/uspgate/usp"
)

const requestTable = localAgent + "Request."

// maxRequests bounds the Request table.
const maxRequests = 64

// openRequest begins an asynchronous command [R-OPR.0].
func (a *Agent) openRequest(c *call) (row string, err *usp.Error) {
	t := a.tree
	if len(t.rows[requestTable]) >= maxRequests || a.isBusy(c) {
		return "", protocolErr(usp.CodeResourcesExceeded, "too much is under way already")
	}
	row = t.addRow(requestTable, 0)
	t.values[row+"Originator"] = string(c.from)
	t.values[row+"Command"] = c.full()
	t.values[row+"CommandKey"] = c.key
	t.values[row+"Status"] = "Active"
	t.announce(row)
	takes := a.opts.CommandTime
	if s, err := strconv.ParseUint(c.args["DelaySeconds"], 10, 31); err == nil {
		takes = time.Duration(s) * time.Second
	}
	began := time.Now()
	a.after(takes, func() {
		if a.tree.exists(row) { // not canceled
			a.closeRequest(row, c.output(), nil)
			a.transferred(c, began)
		}
	})
	return row, nil
}

// isBusy reports that a command cannot be begun: the device does one at a time on one
// object [R-OPR.3], but keeps any number of timers that have keys of their own.
func (a *Agent) isBusy(c *call) bool {
	for _, n := range a.tree.rows[requestTable] {
		row := rowPath(requestTable, n)
		if a.tree.get(row+"Command") != c.full() {
			continue
		}
		if c.cmd.name != "ScheduleTimer()" || c.key != "" && a.tree.get(row+"CommandKey") == c.key &&
			a.tree.get(row+"Originator") == string(c.from) {
			return true
		}
	}
	return false
}

// closeRequest ends an asynchronous command, unless it has ended.
func (a *Agent) closeRequest(row string, output map[string]string, err *usp.Error) {
	if !a.tree.exists(row) {
		return
	}
	object, name := split(a.tree.get(row + "Command"))
	a.completed(object, name, a.tree.get(row+"CommandKey"), output, err)
	a.tree.removeRow(row)
}

// cancel is Request.{i}.Cancel().
func (a *Agent) cancel(row string) *usp.Error {
	a.closeRequest(row, nil, protocolErr(usp.CodeCommandCanceled, "canceled"))
	return nil
}

// output makes the output arguments of a command that has succeeded; there are no rows.
func (c *call) output() map[string]string {
	out := make(map[string]string)
	for _, name := range c.cmd.results {
		switch {
		case strings.Contains(name, "{i}"):
		case name == "Status":
			out[name] = "Complete"
		case name == "IPAddressUsed":
			out[name] = "192.0.2.1"
		case isClock(name):
			out[name] = time.Now().UTC().Format(time.RFC3339)
		default:
			out[name] = "0"
		}
	}
	return out
}

// isClock reports an argument that is a dateTime.
func isClock(name string) bool {
	switch name {
	case "ROMTime", "BOMTime", "EOMTime", "TCPOpenRequestTime", "TCPOpenResponseTime":
		return true
	default:
		return false
	}
}
