// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"strings"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/usp"
)

// rebootCommand is Device.Reboot(), a synchronous command of TR-181: the answer
// is due before the CPE reboots. Boot! follows when it is back.
func rebootCommand() *command {
	return &command{name: "Reboot()", in: []string{"Cause", "Reason"}, run: (*Agent).operateReboot}
}

func (a *Agent) operateReboot(c *call) {
	a.lock()
	before := a.boot.ordered
	a.boot.ordered = &bootOrder{command: c.cmd.name, cause: causeRemoteReboot, key: c.key, reason: c.args["Reason"]}
	a.changed()
	a.unlock()
	if _, err := c.send(&cwmp.Reboot{CommandKey: wireKey(c.key)}); err != nil {
		c.err = commandError(err)
		a.bootNotOrdered(c.err, before)
	}
}

// bootNotOrdered takes an order back that the CPE has not taken; one of unknown
// outcome stands.
func (a *Agent) bootNotOrdered(err *usp.Error, before *bootOrder) {
	if err.Code == usp.CodeOutcomeUnknown {
		return
	}
	a.lock()
	defer a.unlock()
	a.boot.ordered = before
	a.changed()
}

// wireKey shortens a command_key to what a CWMP CommandKey holds.
func wireKey(key string) string {
	const limit = 32
	if len(key) > limit {
		return strings.ToValidUTF8(key[:limit], "")
	}
	return key
}
