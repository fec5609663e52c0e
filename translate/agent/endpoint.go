// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"crypto/sha1" // name-based UUIDs are defined with it (RFC 9562 5.5); nothing is secured by it
	"encoding/hex"
	"strings"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/usp"
)

// uuidSpace is the name space of the uuid:: Endpoint IDs of Virtual Agents. It
// must never change: Endpoint IDs are for ever.
const uuidSpace = "\x6b\x1f\x0d\x52\x0c\x2e\x5a\x77\x9b\x41\x3d\x8e\x55\xe1\x90\x2c"

// EndpointIDFor returns the Endpoint ID of the Virtual Agent of a CPE:
// ops::OUI-ProductClass-Serial, or os::OUI-Serial where the product class is
// empty, percent-encoded [R-ARC.2a, R-ARC.5]. Where that cannot be, because the
// OUI is not six hex digits, the serial number is empty or the instance-id
// would have more than 50 characters, it is a name-based uuid::. It depends on
// the identity only, and is never parsed back.
func EndpointIDFor(id cwmp.DeviceID) usp.EndpointID {
	k := id.Key()
	instance := k.String()
	if !isOUI(k.OUI) || k.SerialNumber == "" || len(instance) > usp.MaxInstanceID {
		return uuidFor(k)
	}
	if k.ProductClass == "" {
		return usp.EndpointID("os::" + instance)
	}
	return usp.EndpointID("ops::" + instance)
}

// uuidFor returns the uuid:: Endpoint ID of an identity, version 5.
func uuidFor(id cwmp.DeviceID) usp.EndpointID {
	k := id.Key()
	sum := sha1.Sum([]byte(uuidSpace + k.OUI + "\x00" + k.ProductClass + "\x00" + k.SerialNumber))
	u := sum[:16]
	u[6] = u[6]&0x0f | 0x50
	u[8] = u[8]&0x3f | 0x80
	h := hex.EncodeToString(u)
	return usp.EndpointID("uuid::" + strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-"))
}

func isOUI(s string) bool {
	return len(s) == 6 && strings.Trim(s, "0123456789ABCDEF") == ""
}
