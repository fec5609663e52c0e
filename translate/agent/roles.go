// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"slices"

	"github.com/uspgate/uspgate/translate/trust"
	"github.com/uspgate/uspgate/usp/path"
)

// The Roles that every Agent has: who has RoleFullAccess may do everything, who has
// RoleUntrusted nothing but answer Challenges.
const (
	RoleFullAccess = "Full Access"
	RoleUntrusted  = "Untrusted"
)

// Role is a Role that Controllers may have: a row of
// Device.LocalAgent.ControllerTrust.Role. in every Agent.
type Role struct {
	Name        string // unique, at most 64 characters
	Permissions []Permission
}

// Permission is a row of Role.{i}.Permission.: what a Role grants for the Targets. Of those
// that are about the same element, the one with the greatest Order counts alone; no two have
// the same.
type Permission struct {
	Order   uint32
	Targets []string // paths of objects, rows, parameters, commands or events
	// What is granted, four characters each as in TR-181, "r-xn"; empty grants nothing.
	Param, Obj, InstantiatedObj, CommandEvent string
}

func fullAccess() Role {
	return Role{Name: RoleFullAccess, Permissions: []Permission{{
		Targets: []string{"Device."}, Param: "rw-n", Obj: "rw-n", InstantiatedObj: "rw-n", CommandEvent: "r-xn",
	}}}
}

func untrustedAccess() Role {
	return Role{Name: RoleUntrusted, Permissions: []Permission{
		{Targets: []string{"Device."}},
		{Order: 1, Targets: []string{challengeTable}, Param: "r---", Obj: "r---", InstantiatedObj: "r---"},
		{
			Order: 2, Targets: []string{trustRoot + "RequestChallenge()", trustRoot + "ChallengeResponse()"},
			CommandEvent: "r-x-",
		},
	}}
}

// checkRoles says what is wrong with the Roles and with what Controllers have of them.
func (o *Options) checkRoles() error {
	names := []string{RoleFullAccess, RoleUntrusted}
	for i := range o.Roles {
		r := &o.Roles[i]
		if r.Name == "" || slices.Contains(names, r.Name) {
			return fmt.Errorf("agent: a Role needs a name of its own, which %q is not", r.Name)
		}
		names = append(names, r.Name)
		if err := r.check(); err != nil {
			return fmt.Errorf("agent: Role %s: %w", r.Name, err)
		}
	}
	if len(names) > maxRoles {
		return fmt.Errorf("agent: %d Roles, want at most %d", len(names), maxRoles)
	}
	for i := range o.Controllers {
		if c := &o.Controllers[i]; c.Role != "" && !slices.Contains(names, c.Role) {
			return fmt.Errorf("agent: Controller %s: there is no Role %q", c.EndpointID, c.Role)
		}
	}
	return nil
}

func (r *Role) check() error {
	if len(r.Permissions) > maxPermissions {
		return fmt.Errorf("%d Permissions, want at most %d", len(r.Permissions), maxPermissions)
	}
	orders := make(map[uint32]bool)
	for i := range r.Permissions {
		p := &r.Permissions[i]
		if orders[p.Order] {
			return fmt.Errorf("two Permissions have the Order %d", p.Order)
		}
		orders[p.Order] = true
		if len(p.Targets) > maxTargets {
			return fmt.Errorf("%d Targets, want at most %d", len(p.Targets), maxTargets)
		}
		for _, t := range p.Targets {
			if _, err := path.Parse(t); err != nil {
				return fmt.Errorf("target %s: %w", t, err)
			}
		}
		if _, err := trust.Parse(p.Param, p.Obj, p.InstantiatedObj, p.CommandEvent); err != nil {
			return err
		}
	}
	return nil
}
