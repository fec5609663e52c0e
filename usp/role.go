// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package usp

import "fmt"

// Role is what an Endpoint is on one Link. An Agent and a Controller may share
// an Endpoint ID [R-ARC.0], so a Role belongs to the Link, not to the ID.
type Role uint8

// The roles. RoleUnknown is that of a Link whose peer has not shown yet which
// one it is.
const (
	RoleUnknown Role = iota
	RoleAgent
	RoleController
)

// Opposite returns the Role that r talks to; that of RoleUnknown is unknown.
func (r Role) Opposite() Role {
	switch r {
	case RoleAgent:
		return RoleController
	case RoleController:
		return RoleAgent
	default:
		return RoleUnknown
	}
}

// String returns "agent", "controller" or "unknown".
func (r Role) String() string {
	switch r {
	case RoleAgent:
		return "agent"
	case RoleController:
		return "controller"
	default:
		return "unknown"
	}
}

// ParseRole is the inverse of String.
func ParseRole(s string) (Role, error) {
	switch s {
	case "agent":
		return RoleAgent, nil
	case "controller":
		return RoleController, nil
	case "unknown", "":
		return RoleUnknown, nil
	default:
		return RoleUnknown, fmt.Errorf("%q is not a role, want agent or controller", s)
	}
}

// Address is the key of routing: an Endpoint in one of its roles.
type Address struct {
	ID   EndpointID
	Role Role
}

// String returns the Endpoint ID and the role, as "doc::a (agent)".
func (a Address) String() string { return string(a.ID) + " (" + a.Role.String() + ")" }
