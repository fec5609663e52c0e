// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"github.com/uspgate/uspgate/usp"
)

// Route is a static route: it makes Endpoints known before they were seen, so
// that Records wait for them, says over which binding they are reached, and
// who may send to them.
type Route struct {
	// Match is an Endpoint ID; * stands for any characters, also none.
	Match string
	// Role of the Endpoints; RoleUnknown: whichever the sender asks for.
	Role usp.Role
	// Via names the Transport whose shared Link (a broker, a trunk) reaches
	// them. Empty: wherever they turn up.
	Via string
	// Destination is where on that Link: an MQTT topic, a STOMP destination;
	// {endpoint_id} stands for the Endpoint ID.
	Destination string
	// AllowFrom are patterns like Match of who may send to them; empty: anyone.
	AllowFrom []string
}
