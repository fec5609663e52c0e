// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package quirks_test

import (
	"slices"
	"strings"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// moved gives the ACS another URL, which is of the same gateway.
func moved(b *box) {
	b.t.Helper()
	name := strings.SplitAfter(raw[b.model].ssid, ".")[0] + "ManagementServer.URL"
	url, _ := b.Value(name)
	if err := b.SetValue(name, strings.Replace(url, "/acs", "/other", 1)); err != nil {
		b.t.Fatal(err)
	}
	b.Raise(cwmp.Event{Code: cwmp.EventPeriodic})
	b.eventually("0 BOOTSTRAP at the other URL", func() bool { return b.bootstraps.Load() >= 2 })
	b.want("Device.DeviceInfo.SerialNumber", raw[b.model].serial)
}

// stormless wants to hear of all counters of the radio; what comes of it must not
// make the CPE call all the time.
func stormless(b *box) {
	b.t.Helper()
	b.subscribe("counters", "ValueChange", "Device.WiFi.SSID.1.Stats.")
	b.get("Device.DeviceInfo.UpTime")
	before := b.valueChanges.Load()
	end := time.After(1500 * time.Millisecond) // six times what the CPE counts
	<-end
	if got := b.valueChanges.Load() - before; got > 1 {
		b.t.Errorf("got %d Informs about counters, want none: they are not for active notification", got)
	}
}

// kept adds a row that has to be there after a reboot.
func (b *box) kept() {
	b.t.Helper()
	b.add("Device.NAT.PortMapping.", map[string]string{
		"Enable": "true", "ExternalPort": "9555", "InternalPort": "555", "InternalClient": "192.168.1.30", "Protocol": "TCP",
	})
}

// found looks for the row of kept by what is in it, whatever its number, and
// deletes it.
func (b *box) found() {
	b.t.Helper()
	for path, port := range b.get("Device.NAT.PortMapping.*.ExternalPort") {
		if port == "9555" {
			row := strings.TrimSuffix(path, "ExternalPort")
			b.want(row+"InternalClient", "192.168.1.30")
			b.delete(row)
			if slices.Contains(b.rows("Device.NAT.PortMapping."), row) {
				b.t.Errorf("%s is still there", row)
			}
			return
		}
	}
	b.t.Error("the row that was added is not there after the reboot")
}

// reset makes the CPE what it was.
func (b *box) reset() {
	b.t.Helper()
	if _, err := b.ctl.Operate(b.ctx(), b.agent, "Device.FactoryReset()", "reset", nil); err != nil {
		b.t.Errorf("FactoryReset(): %v", err)
		return
	}
	n := b.notified("Boot! after FactoryReset()", func(n *uspmsg.Notify) bool {
		return n.GetEvent().GetEventName() == "Boot!" && n.GetEvent().GetParams()["CommandKey"] == "reset"
	})
	if got := n.GetEvent().GetParams()["Cause"]; got != "RemoteFactoryReset" {
		b.t.Errorf("Boot!: got cause %q, want RemoteFactoryReset", got)
	}
	if got := b.get("Device.WiFi.SSID.1.SSID")["Device.WiFi.SSID.1.SSID"]; got == ssid || got == "" {
		b.t.Errorf("SSID: got %q after a factory reset, want that of the factory", got)
	}
}
