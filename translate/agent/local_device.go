// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"strings"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

const deviceInfo = "Device.DeviceInfo."

// deviceObjects is what the local tree adds outside Device.LocalAgent.: it is
// shown only where the CPE has nothing of its own at the same place. So the
// identity is there before the CPE was ever read, FriendlyName, which only the
// USP variant of Device:2 has, always is, and a CPE without firmware table
// has the one image it runs.
func deviceObjects() []*localObject {
	root := obj("Device.")
	root.commands = []*command{rebootCommand(), factoryResetCommand(), scheduleTimerCommand()}
	root.events = []event{
		{"Boot!", []string{"CommandKey", "Cause", "Reason", "FirmwareUpdated", "ParameterMap"}}, vendorEvent(),
	}
	info := obj(deviceInfo,
		calc("Manufacturer", path.TypeString, func(a *Agent, _ string) string { return a.identity.Manufacturer }),
		calc("ManufacturerOUI", path.TypeString, func(a *Agent, _ string) string { return a.identity.OUI }),
		calc("ProductClass", path.TypeString, func(a *Agent, _ string) string { return a.identity.ProductClass }),
		calc("SerialNumber", path.TypeString, func(a *Agent, _ string) string { return a.identity.SerialNumber }),
		rw("FriendlyName", path.TypeString, "", maxLen(64)),
		ro("ActiveFirmwareImage", path.TypeString, strings.TrimSuffix(firmwareTable, ".")+".1"),
		rw("BootFirmwareImage", path.TypeString, strings.TrimSuffix(firmwareTable, ".")+".1", onlyImage),
		count("FirmwareImage"), count("VendorConfigFile"), count("VendorLogFile"),
	)
	management := obj("Device.CWMPManagementServer.", rw("EnableCWMP", path.TypeBoolean, "true", keepCWMP))
	return append(fileObjects(), root, info, management)
}

// keepCWMP refuses to cut the branch that the Virtual Agent sits on.
func keepCWMP(v string) *usp.Error {
	if v == "true" || v == "1" {
		return nil
	}
	return &usp.Error{Code: usp.CodeRequestDenied, Text: "this Agent reaches the CPE over CWMP"}
}
