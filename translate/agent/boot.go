// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

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
	command            string // that ordered it; empty if none of ours did
	cause, key, reason string
	updated            bool
}

// bootFrom returns the boot that an Inform tells of, nil for none. The lock is
// held.
func (a *Agent) bootFrom(in *cwmp.Inform) *bootOrder {
	firmware := informValue(in, "DeviceInfo.SoftwareVersion")
	updated := a.boot.firmware != "" && firmware != "" && firmware != a.boot.firmware
	if firmware != "" && firmware != a.boot.firmware {
		a.boot.firmware = strings.Clone(firmware)
		a.changed()
	}
	if updated { // it may have another data model, and other limits
		a.disc.due = true
		a.sisters.update()
		a.fresh.updated()
	}
	var keys []string // of the reboots that were ordered, by whomever
	for _, e := range in.Events {
		if e.Code == cwmp.EventMReboot {
			keys = append(keys, e.CommandKey)
		}
	}
	bootstrap := in.HasEvent(cwmp.EventBootstrap)
	if !bootstrap && !in.HasEvent(cwmp.EventBoot) && len(keys) == 0 {
		return nil
	}
	b := &bootOrder{cause: causeLocalReboot}
	switch ordered := a.boot.ordered; {
	case ordered != nil && ordered.isMeant(keys):
		b = ordered
	case len(keys) > 0:
		b = &bootOrder{cause: causeRemoteReboot, key: keys[0]}
	case bootstrap:
		b = &bootOrder{cause: causeFactoryReset, reason: cwmp.EventBootstrap}
	}
	if a.boot.ordered != nil {
		a.boot.ordered = nil
		a.changed()
	}
	b.updated = updated
	return b
}

// firmware returns the SoftwareVersion of the CPE, empty if it is not known. The lock
// is held.
func (a *Agent) firmware() string {
	if a.boot.firmware != "" || a.view == nil {
		return a.boot.firmware
	}
	v, _ := a.view.CPEValue(a.view.Root().Prefix() + "DeviceInfo.SoftwareVersion")
	return v.Value
}

// isMeant reports whether a boot is the one that was ordered: the CPE gives its
// key, or none, as some do [quirk 82]; a reset has no key.
func (b *bootOrder) isMeant(keys []string) bool {
	return len(keys) == 0 || b.cause == causeRemoteReboot && slices.Contains(keys, wireKey(b.key))
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

// emitBooted tells those who subscribed to it that the command which ordered
// the boot is complete. The lock is held.
//
// Deviation reboot_completion: Device.Reboot() and FactoryReset() are synchronous in TR-181, and
// answered as such; a native Agent sends no OperationComplete for them. Here the
// answer only means that the CPE has accepted the RPC, so who asks to be told of
// the completion is told.
func (a *Agent) emitBooted(b *bootOrder) {
	if b.command != "" {
		a.host.metrics.deviate(deviationRebootComplete)
		a.emitComplete("Device.", b.command, b.key, nil, nil)
	}
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

// maxBootParameters bounds a ParameterMap.
const maxBootParameters = 256

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
		params := a.parametersOf(p)
		for _, full := range params[:min(len(params), maxBootParameters-len(values))] {
			if v, ok := a.shownTo(to, full); ok {
				values[full] = v
			}
		}
	})
	return values
}
