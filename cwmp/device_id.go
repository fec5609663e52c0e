// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cwmp

import (
	"strings"

	"github.com/uspgate/uspgate/usp"
)

// DeviceID is the DeviceIdStruct of an Inform [TR-069 A.3.3.1]. OUI,
// ProductClass and SerialNumber are the identity of a CPE, Manufacturer is not.
type DeviceID struct {
	Manufacturer string
	OUI          string
	ProductClass string
	SerialNumber string
}

// Key returns d without the Manufacturer and with the OUI in upper case, fit
// as a map key: what identifies the CPE.
func (d DeviceID) Key() DeviceID {
	return DeviceID{
		OUI:          strings.ToUpper(strings.TrimSpace(d.OUI)),
		ProductClass: strings.TrimSpace(d.ProductClass),
		SerialNumber: strings.TrimSpace(d.SerialNumber),
	}
}

// String joins the identity as OUI-ProductClass-SerialNumber, or
// OUI-SerialNumber where the product class is empty, percent-encoded
// [TR-069 3.4.4].
func (d DeviceID) String() string {
	k := d.Key()
	if k.ProductClass == "" {
		return usp.EscapeInstance(k.OUI) + "-" + usp.EscapeInstance(k.SerialNumber)
	}
	return usp.EscapeInstance(k.OUI) + "-" + usp.EscapeInstance(k.ProductClass) + "-" + usp.EscapeInstance(k.SerialNumber)
}
