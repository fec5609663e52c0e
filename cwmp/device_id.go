// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cwmp

import "strings"

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
// OUI-SerialNumber where the product class is empty. Every byte of the parts
// that is not alphanumeric or an underscore is percent-encoded [TR-069 3.4.4],
// the hyphen too, so different identities have different strings.
func (d DeviceID) String() string {
	k := d.Key()
	b := appendPart(nil, k.OUI)
	if k.ProductClass != "" {
		b = appendPart(append(b, '-'), k.ProductClass)
	}
	return string(appendPart(append(b, '-'), k.SerialNumber))
}

func appendPart(b []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_':
			b = append(b, c)
		default:
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return b
}
