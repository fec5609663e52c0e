// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import (
	"fmt"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/cpe"
)

// Identity is the DeviceId of the Inform.
func (c *CPE) Identity() cwmp.DeviceID {
	root, info := c.tree(), c.model.Root()+"DeviceInfo."
	return cwmp.DeviceID{
		Manufacturer: c.text(root, info+"Manufacturer"),
		OUI:          c.text(root, info+"ManufacturerOUI"),
		ProductClass: c.text(root, info+"ProductClass"),
		SerialNumber: c.text(root, info+"SerialNumber"),
	}
}

// ConnectionRequestURL is where the listener of the present power cycle is;
// empty before the first boot.
func (c *CPE) ConnectionRequestURL() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.url
}

// Value returns a parameter as the device has it, secrets included.
func (c *CPE) Value(name string) (string, bool) {
	n := c.tree().find(name)
	if n == nil || n.object {
		return "", false
	}
	return c.raw(n), true
}

// SetValue changes a parameter as if its user had, read-only ones included: a
// parameter with notification 1 or 2 is reported with 4 VALUE CHANGE, at once
// if it is 2. It fails for a name that does not exist and for a value that
// does not fit the type.
func (c *CPE) SetValue(name, value string) error {
	notify, err := c.assign(name, value)
	switch {
	case err != nil:
		return err
	case notify == 2:
		c.client.Raise(cwmp.Event{Code: cwmp.EventValueChange})
	case notify == 1:
		c.client.Note(cwmp.Event{Code: cwmp.EventValueChange})
	}
	c.client.Refresh()
	return nil
}

// assign does it, and returns the notification attribute if the value is
// another one now.
func (c *CPE) assign(name, value string) (notify int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.root.find(name)
	if n == nil || n.object {
		return 0, fmt.Errorf("sim/cpe: no parameter %q", name)
	}
	if !valid(n.typ, value) {
		return 0, fmt.Errorf("sim/cpe: %s: %q is not of type %s", name, value, n.typ)
	}
	value = canon(n.typ, n.value, value)
	if value == n.value {
		return 0, nil
	}
	c.root = c.root.put(name, value, n.typ, n.writable)
	if c.spawn != nil {
		c.startSTUN()
	}
	if n.notify != 0 {
		c.change++
		c.changed[name] = c.change
	}
	return n.notify, nil
}

// Raise reports events as if the device had a reason for them, in a session
// of their own.
func (c *CPE) Raise(events ...cwmp.Event) { c.client.Raise(events...) }

// Pending lists the events that no ACS has been told of yet.
func (c *CPE) Pending() []cwmp.Event { return c.client.Pending() }

// Off switches the device off at once: an open session breaks, the listener is
// gone.
func (c *CPE) Off() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off = true
	c.todo = todo{}
	if c.cycle != nil {
		c.cycle(errOff)
	}
}

// On switches the device on again; it boots.
func (c *CPE) On() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off = false
	select {
	case c.power <- struct{}{}:
	default:
	}
}

// Sessions gives the sessions that are over. It holds 64; the oldest give way.
func (c *CPE) Sessions() <-chan cpe.Session { return c.sessions }

// Informs gives the Informs that the ACS has answered. It holds 64; the oldest
// give way.
func (c *CPE) Informs() <-chan *cwmp.Inform { return c.informs }

// Cut says when a connection is lost.
type Cut uint8

// The two moments of a Cut.
const (
	// CutBefore loses the connection before the RPC is applied.
	CutBefore Cut = iota
	// CutAfter loses it after the RPC was applied, before it is answered.
	CutAfter
)

type cut struct {
	method string
	when   Cut
}

// maxCuts bounds the cuts that wait.
const maxCuts = 64

// CutNextSession makes the device lose its connection when it next receives
// the method, "" for any. Cuts are used up one by one, in order; it reports
// false if 64 are waiting.
func (c *CPE) CutNextSession(method string, when Cut) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.cuts) >= maxCuts {
		return false
	}
	c.cuts = append(c.cuts, cut{method: method, when: when})
	return true
}

// FailNext makes the device answer the next such method with the fault, without
// applying it.
func (c *CPE) FailNext(method string, f *cwmp.Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults[method] = f
}

// SetDelay changes Options.Delay.
func (c *CPE) SetDelay(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.delay = d
}

// hooks is what a test asked for at one RPC.
type hooks struct {
	delay     time.Duration
	cutBefore bool
	cutAfter  bool
	fault     *cwmp.Fault
}

// hook takes what is asked for at the method.
func (c *CPE) hook(method string) hooks {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := hooks{delay: c.delay, fault: c.faults[method]}
	delete(c.faults, method)
	for i, k := range c.cuts {
		if k.method == "" || k.method == method {
			h.cutBefore, h.cutAfter = k.when == CutBefore, k.when == CutAfter
			c.cuts = append(c.cuts[:i:i], c.cuts[i+1:]...)
			break
		}
	}
	return h
}
