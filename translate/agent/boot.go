// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"encoding/json"
	"strconv"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

// The values of Cause of Boot!.
const (
	causeLocalReboot        = "LocalReboot"
	causeRemoteReboot       = "RemoteReboot"
	causeFactoryReset       = "FactoryReset"
	causeRemoteFactoryReset = "RemoteFactoryReset"
)

// bootState is what has to be known to tell one boot from another.
type bootState struct {
	ordered  *bootOrder // a reboot or reset of ours that has not been seen yet
	firmware string     // SoftwareVersion of the last Inform
}

// bootOrder is a boot, ordered or seen.
type bootOrder struct {
	cause, key, wireKey, reason string
	updated                     bool
}

// bootFrom returns the boot that an Inform tells of, nil for none. The lock is
// held.
func (a *Agent) bootFrom(in *cwmp.Inform) *bootOrder {
	firmware := informValue(in, "DeviceInfo.SoftwareVersion")
	updated := a.boot.firmware != "" && firmware != "" && firmware != a.boot.firmware
	if firmware != "" {
		a.boot.firmware = firmware
	}
	bootstrap, boot := in.HasEvent(cwmp.EventBootstrap), in.HasEvent(cwmp.EventBoot)
	ordered := a.boot.ordered
	ours := ordered != nil && ordered.cause == causeRemoteReboot && in.HasEvent(cwmp.EventMReboot)
	switch {
	case !bootstrap && !boot && !ours:
		return nil
	case ordered != nil && (ours || ordered.cause == causeRemoteFactoryReset || !bootstrap):
		// Some CPE send no M event, or BOOTSTRAP with every boot [quirk 82].
		b := *ordered
		b.updated = updated
		a.boot.ordered = nil
		return &b
	case bootstrap:
		return &bootOrder{cause: causeFactoryReset, reason: "0 BOOTSTRAP", updated: updated}
	}
	b := &bootOrder{cause: causeLocalReboot, updated: updated}
	for _, e := range in.Events {
		if e.Code == cwmp.EventMReboot { // ordered by somebody else
			b.cause, b.key = causeRemoteReboot, e.CommandKey
		}
	}
	return b
}

// informValue returns a parameter of the Inform by its name below the root.
func informValue(in *cwmp.Inform, name string) string {
	for i := range in.Params {
		if object, rest, ok := cutRoot(in.Params[i].Name); ok && rest == name && object != "" {
			return in.Params[i].Value
		}
	}
	return ""
}

// emitBoot sends Boot! [TR-181]. ParameterMap holds the recipient's
// BootParameters, and is left out where there are none. The lock is held.
func (a *Agent) emitBoot(b *bootOrder) {
	params := map[string]string{
		"Cause": b.cause, "CommandKey": b.key, "Reason": b.reason, "FirmwareUpdated": strconv.FormatBool(b.updated),
	}
	a.emitEvent("Device.", "Boot!", params, "", func(to usp.EndpointID) map[string]string {
		values := a.bootParameters(to)
		if len(values) == 0 {
			return nil
		}
		text, err := json.Marshal(values)
		if err != nil {
			return nil
		}
		return map[string]string{"ParameterMap": string(text)}
	})
}

// bootParameters returns what the enabled BootParameter rows of a Controller
// name.
func (a *Agent) bootParameters(to usp.EndpointID) map[string]string {
	values := make(map[string]string)
	a.local.each(a.controllerRow(to)+"BootParameter.", func(row string) {
		if !a.local.isTrue(row + "Enable") {
			return
		}
		p, err := path.Parse(a.local.get(row + "ParameterName"))
		if err != nil {
			return
		}
		for _, found := range a.meaning(p) {
			if p.Kind() == path.Parameter {
				if v, ok := a.value(found); ok {
					values[found] = v
				}
				continue
			}
			for _, f := range a.walk(found, 0) {
				for i := range f.params {
					values[f.params[i].Path] = f.params[i].Value
				}
			}
		}
	})
	return values
}
