// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"slices"

	"github.com/uspgate/uspgate/translate/trust"
	"github.com/uspgate/uspgate/usp/path"
)

// Role is a Role that Controllers may have, beside those that every Virtual Agent has.
type Role struct {
	Name        string       `yaml:"name" doc:"its name; Full Access and Untrusted are there already"`
	Permissions []Permission `yaml:"permissions" doc:"what it grants; what none of them is about is not granted"`
}

// Permission is what a Role grants for a part of the data model.
type Permission struct {
	Order           int      `yaml:"order" doc:"of several that are about the same element the one with the greatest order counts alone"`
	Targets         []string `yaml:"targets" doc:"what it is about: paths of objects, with all that is in them, rows, parameters, commands or events"`
	Param           string   `yaml:"param" doc:"parameters: r to read, w to set, n to be told of a new value; such as rw-n"`
	Obj             string   `yaml:"obj" doc:"objects: r to see them, w to add rows, n to be told of new rows"`
	InstantiatedObj string   `yaml:"instantiated_obj" doc:"rows: r to list them, w to delete them, n to be told of their deletion"`
	CommandEvent    string   `yaml:"command_event" doc:"commands and events: r to see them, x to run commands, n to be told of results and events; such as r-xn"`
}

// roles checks roles, and what controllers say of them.
func (d *decoder) roles(cfg *Config) {
	names := []string{"Full Access", "Untrusted"} // as in package agent
	if len(cfg.Roles) > maxRoles {
		d.invalid("roles", fmt.Sprintf("%d roles, %d at most", len(cfg.Roles), maxRoles), "remove some")
	}
	for i := range cfg.Roles {
		r, at := &cfg.Roles[i], fmt.Sprintf("roles[%d]", i)
		switch {
		case r.Name == "" || len(r.Name) > maxRoleName:
			d.invalid(at+".name", "want a name of 1 to 64 characters", "write for example Support")
		case slices.Contains(names, r.Name):
			d.invalid(at+".name", "there is a role "+r.Name+" already", "choose another name")
		}
		names = append(names, r.Name)
		d.permissions(at+".permissions", r.Permissions)
	}
	for i, c := range cfg.Controllers {
		if c.Role != "" {
			d.oneOf(fmt.Sprintf("controllers[%d].role", i), c.Role, names...)
		}
	}
}

// As in package agent: roles that no Controller has made, and the Permissions of each and
// their Targets.
const (
	maxRoles       = 30
	maxRoleName    = 64
	maxPermissions = 32
	maxTargets     = 32
)

func (d *decoder) permissions(at string, list []Permission) {
	if len(list) > maxPermissions {
		d.invalid(at, fmt.Sprintf("%d permissions, %d at most", len(list), maxPermissions), "write several targets into one")
	}
	orders := make(map[int]bool)
	for i := range list {
		p, at := &list[i], fmt.Sprintf("%s[%d]", at, i)
		if p.Order < 0 || int64(p.Order) > 1<<32-1 {
			d.invalid(at+".order", "want a number from 0 to 4294967295", "write for example 1")
		}
		if orders[p.Order] {
			d.invalid(at+".order", fmt.Sprintf("%d is that of another permission of the role", p.Order), "give each its own")
		}
		orders[p.Order] = true
		if n := len(p.Targets); n == 0 || n > maxTargets {
			d.invalid(at+".targets", fmt.Sprintf("want 1 to %d paths", maxTargets), "write for example [Device.]")
		}
		for k, t := range p.Targets {
			if _, err := path.Parse(t); err != nil {
				d.invalid(fmt.Sprintf("%s.targets[%d]", at, k), err.Error(), "write for example Device.WiFi.")
			}
		}
		for _, w := range []struct{ key, rights string }{
			{"param", p.Param}, {"obj", p.Obj}, {"instantiated_obj", p.InstantiatedObj}, {"command_event", p.CommandEvent},
		} {
			if err := trust.Check(w.rights); err != nil {
				d.invalid(at+"."+w.key, err.Error(), "write for example r--n")
			}
		}
	}
}
