// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package trust

import (
	"cmp"
	"slices"

	"github.com/uspgate/uspgate/usp/path"
)

// Permission is one row of Role.{i}.Permission. that is enabled.
type Permission struct {
	// Order decides between those Permissions of one Role that cover the same
	// element: the greatest is the only one that counts.
	Order uint32
	// Targets are what it is about: objects with all that is in them, rows, single
	// parameters, commands and events; search paths, too.
	Targets []path.Path
	Rights  Rights
}

// Role is a row of ControllerTrust.Role. that is enabled.
type Role struct {
	permissions []Permission // greatest Order first
}

// NewRole returns a Role; the list is the Role's from then on.
func NewRole(permissions []Permission) *Role {
	slices.SortStableFunc(permissions, func(a, b Permission) int { return cmp.Compare(b.Order, a.Order) })
	return &Role{permissions: permissions}
}

// Rights are what the Role grants for an element, an instantiated path or one of the
// supported data model with {i}. Of the latter it is what is granted for any of its
// rows: the element is to be shown then.
func (r *Role) Rights(element string, t path.Tree) Rights {
	var some Rights
	for i := range r.permissions {
		p := &r.permissions[i]
		switch p.covers(element, t) {
		case path.Inside:
			return some | p.Rights
		case path.Partly:
			some |= p.Rights
		case path.Outside:
		}
	}
	return some
}

// covers is the most that a target says.
func (p *Permission) covers(element string, t path.Tree) path.Covered {
	most := path.Outside
	for i := range p.Targets {
		most = max(most, p.Targets[i].Covers(element, t))
		if most == path.Inside {
			break
		}
	}
	return most
}

// unlimited reports whether the Role grants everything everywhere.
func (r *Role) unlimited() bool {
	return len(r.permissions) > 0 && r.permissions[0].Rights == All &&
		slices.ContainsFunc(r.permissions[0].Targets, func(p path.Path) bool { return p.String() == "Device." })
}

// Roles are the Roles of one Controller together. Safe for concurrent use as long as the
// Tree is.
type Roles struct {
	roles []*Role
	all   bool
}

// Of joins Roles: what one of them grants is granted.
func Of(roles ...*Role) *Roles {
	return &Roles{roles: roles, all: slices.ContainsFunc(roles, (*Role).unlimited)}
}

// May reports whether all of the rights are granted for an element; see Role.Rights.
func (r *Roles) May(rights Rights, element string, t path.Tree) bool {
	if r.all {
		return true
	}
	var have Rights
	for _, role := range r.roles {
		if have |= role.Rights(element, t); have&rights == rights {
			return true
		}
	}
	return false
}

// Unlimited reports whether everything is granted: no element has to be looked at.
func (r *Roles) Unlimited() bool { return r.all }
