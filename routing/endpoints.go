// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// Presence says whether an Endpoint is there, as far as its Links tell.
type Presence string

// The presences. Behind a broker of somebody else an Endpoint is unknown until
// a Record of it has come.
const (
	Online  Presence = "online"
	Offline Presence = "offline"
	Unknown Presence = "unknown"
)

// EndpointInfo is one line of `endpoints list`; as JSON it is what
// `endpoints list -o json` prints.
type EndpointInfo struct {
	EndpointID usp.EndpointID `json:"endpoint_id"`
	// Role is "agent", "controller", or "unknown" while a Link has not shown it.
	Role string `json:"role"`
	// Kind is "link", "virtual", "static" or "remote".
	Kind string `json:"kind"`
	// MTP of the Link in use, or of the last one; empty if there was none.
	MTP      mtp.Kind  `json:"mtp"`
	State    Presence  `json:"state"`
	LastSeen time.Time `json:"last_seen,omitzero"`
}
