// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import "github.com/uspgate/uspgate/cwmp"

// factoryResetCommand is Device.FactoryReset(), synchronous as Reboot() is. The
// Agent's own part of the data model, Subscriptions included, is the gateway's
// and stays.
func factoryResetCommand() *command {
	return &command{name: "FactoryReset()", in: []string{"Cause", "Reason"}, run: (*Agent).operateFactoryReset}
}

func (a *Agent) operateFactoryReset(c *call) {
	a.lock()
	before := a.boot.ordered
	a.boot.ordered = &bootOrder{command: c.cmd.name, cause: causeRemoteFactoryReset, key: c.key, reason: c.args["Reason"]}
	a.changed()
	a.unlock()
	if _, err := c.send(&cwmp.FactoryReset{}); err != nil {
		c.err = commandError(err)
		a.bootNotOrdered(c.err, before)
	}
}
