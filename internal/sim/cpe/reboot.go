// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import (
	"context"

	"github.com/uspgate/uspgate/cwmp"
)

// todo is what the RPCs of a session leave to be done when it is over.
type todo struct {
	reboots   []string // CommandKeys
	reset     bool
	transfers []*transfer
	informs   []scheduled
	changes   []*cwmp.ChangeDUState
	tests     []string // objects whose DiagnosticsState was set to Requested
}

// reboot answers; the device restarts after the session [TR-069 A.3.2.9].
func (c *CPE) reboot(m *cwmp.Reboot) cwmp.Response {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(m.CommandKey) > maxParameterKey || len(c.todo.reboots) >= maxReboots {
		return fault(cwmp.FaultInvalidArguments)
	}
	c.todo.reboots = append(c.todo.reboots, m.CommandKey)
	return &cwmp.RebootResponse{}
}

// maxReboots bounds the Reboots asked for in one session.
const maxReboots = 16

// factoryReset answers; the values go back after the session
// [TR-069 A.4.1.6].
func (c *CPE) factoryReset() cwmp.Response {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.todo.reset = true
	return &cwmp.FactoryResetResponse{}
}

// finish does what is to be done after the session. It is called by the
// goroutine of the Client, within the power cycle.
func (c *CPE) finish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.todo
	c.todo, c.busy = todo{}, false
	if c.off {
		return
	}
	for _, d := range t.transfers {
		c.begin(d)
	}
	for _, at := range t.informs {
		c.schedule(at)
	}
	for _, m := range t.changes {
		c.spawn(func(ctx context.Context) { c.changeUnits(ctx, m) })
	}
	for _, object := range t.tests {
		c.spawn(c.test(object))
	}
	c.startSTUN()
	for _, key := range t.reboots {
		c.client.Note(cwmp.Event{Code: cwmp.EventMReboot, CommandKey: key})
	}
	if t.reset {
		c.root, c.transfers, c.scheduled = c.factory, nil, nil
		c.units, c.options = nil, nil
		clear(c.changed)
		if !c.opts.Quirks.NeverBootstrap {
			c.client.Note(cwmp.Event{Code: cwmp.EventBootstrap})
		}
	}
	if t.reset || len(t.reboots) > 0 {
		c.cycle(errReboot)
	}
}
