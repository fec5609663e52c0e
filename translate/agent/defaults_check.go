// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"slices"
	"strings"

	"github.com/uspgate/uspgate/translate/profile"
	"github.com/uspgate/uspgate/usp"
)

// CheckDefaults returns what is wrong with o.Defaults, in their order: nothing else of o
// is looked at but what they refer to. Fields are those of Defaults in snake_case, with
// seeds[N].Param for a value of a Seed.
func CheckDefaults(o *Options) []DefaultsProblem {
	opts := *o
	opts.fill()
	c := &defaultsCheck{opts: &opts}
	if n := len(opts.Defaults); n > MaxDefaults {
		c.at = -1
		c.add("", fmt.Sprintf("%d entries, %d at most", n, MaxDefaults), "have one for several cohorts")
		return c.list
	}
	names := make(map[string]bool)
	roles := []string{RoleFullAccess, RoleUntrusted}
	for i := range opts.Roles {
		roles = append(roles, opts.Roles[i].Name)
	}
	for i := range opts.Defaults {
		d := &opts.Defaults[i]
		c.at = i
		c.name(d, names)
		for _, p := range d.Select.Check() {
			p.Field = strings.TrimSuffix("select."+p.Field, ".")
			c.list = append(c.list, DefaultsProblem{i, p})
		}
		roles = c.roles(d, roles)
		c.controllers(d, roles)
		c.seeds(d)
	}
	return c.list
}

type defaultsCheck struct {
	opts *Options
	at   int
	list []DefaultsProblem
}

func (c *defaultsCheck) add(field, text, hint string) {
	c.list = append(c.list, DefaultsProblem{c.at, profile.Problem{Field: field, Text: text, Hint: hint}})
}

func (c *defaultsCheck) name(d *Defaults, names map[string]bool) {
	switch {
	case d.Name == "" || len(d.Name) > 64:
		c.add("name", "want a name of 1 to 64 characters", "write for example dsl")
	case names[d.Name]:
		c.add("name", "there are defaults "+d.Name+" already", "choose another name")
	}
	names[d.Name] = true
	if len(d.Controllers)+len(d.Roles)+len(d.Seeds) == 0 {
		c.add("", "it gives nothing", "add controllers or subscriptions, or take it out")
	}
}

// roles returns the names of before with those of d.
func (c *defaultsCheck) roles(d *Defaults, names []string) []string {
	for i := range d.Roles {
		r, at := &d.Roles[i], fmt.Sprintf("roles[%d]", i)
		switch {
		case r.Name == "" || len(r.Name) > 64:
			c.add(at+".name", "want a name of 1 to 64 characters", "write for example Support")
		case slices.Contains(names, r.Name):
			c.add(at+".name", "there is a role "+r.Name+" already", "choose another name, or write it under roles at the top")
		}
		names = append(names, r.Name)
		if err := r.check(); err != nil {
			c.add(at, err.Error(), "see roles at the top")
		}
	}
	if n := len(names); n > maxRoles {
		c.add("roles", fmt.Sprintf("%d roles with those before, %d at most", n, maxRoles), "remove some")
	}
	return names
}

// controllers looks at whom d names; roles are all names so far.
func (c *defaultsCheck) controllers(d *Defaults, roles []string) {
	known := []string{RoleFullAccess, RoleUntrusted}
	for _, list := range [][]Role{c.opts.Roles, d.Roles} {
		for i := range list {
			known = append(known, list[i].Name)
		}
	}
	seen := make(map[usp.EndpointID]bool)
	for i, k := range d.Controllers {
		at := fmt.Sprintf("controllers[%d]", i)
		switch {
		case !has(c.opts.Controllers, k.EndpointID):
			c.add(at+".endpoint_id", fmt.Sprintf("%q is not among controllers", k.EndpointID), "add it at the top of the file")
		case seen[k.EndpointID]:
			c.add(at+".endpoint_id", string(k.EndpointID)+" is there already", "name each once")
		}
		seen[k.EndpointID] = true
		switch {
		case k.Role == "" || slices.Contains(known, k.Role):
		case slices.Contains(roles, k.Role):
			c.add(at+".role", k.Role+" is a role of other defaults", "write it under roles at the top")
		default:
			c.add(at+".role", "there is no role "+k.Role, "write one of "+strings.Join(known, ", "))
		}
		if len(k.ProvisioningCode) > 64 {
			c.add(at+".provisioning_code", "longer than 64 characters", "shorten it")
		}
	}
}

// seeds gives the Seeds to an Agent of which nothing is known, that is thrown away.
func (c *defaultsCheck) seeds(d *Defaults) {
	if n := len(d.Seeds); n > MaxSeeds {
		c.add("", fmt.Sprintf("%d subscriptions, profiles and so on, %d at most", n, MaxSeeds), "remove some")
		return
	}
	whole := cohorts{all: standing{controllers: c.opts.Controllers}}
	a := &Agent{host: &Host{opts: *c.opts, log: c.opts.Log, schema: newSchema(c.opts), cohorts: &whole}, log: c.opts.Log}
	a.member.of = &whole.all
	if len(d.Controllers) > 0 {
		a.member.of = &standing{controllers: whole.pick(d.Controllers)}
	}
	a.local = newLocal(a, a.host.schema)
	t := a.local.begin()
	for _, k := range a.given() {
		t.set(t.add(controllerTable, "")+"EndpointID", string(k.EndpointID))
	}
	keys := make(map[string]bool)
	for i := range d.Seeds {
		s, at := &d.Seeds[i], fmt.Sprintf("seeds[%d]", i)
		key := strings.Join([]string{s.Table, string(s.Owner), s.key()}, " ")
		if s.Table == TableBulkProfile { // an Alias is one of all
			key = s.key()
		}
		switch {
		case a.controllerRow(s.Owner) == "":
			c.add(at+".", fmt.Sprintf("%q is not a controller of these agents", s.Owner), c.whom(d))
			continue
		case len(s.Rows) > MaxSeeds:
			c.add(at+".rows", fmt.Sprintf("%d rows, %d at most", len(s.Rows), MaxSeeds), "remove some")
			continue
		case s.key() == "":
			c.add(at+"."+s.Key, "it has none", "give it one of its own")
			continue
		case keys[key]:
			c.add(at+"."+s.Key, fmt.Sprintf("%q is there already", s.key()), "give each its own")
			continue
		}
		keys[key] = true
		mark := t.mark()
		if err := t.plant(s, d.Name); err != nil {
			c.refused(at, err)
			t.back(mark)
		}
	}
}

func (c *defaultsCheck) whom(d *Defaults) string {
	switch {
	case len(d.Controllers) > 0:
		return "name it under controllers of the entry, too"
	case len(c.opts.Controllers) == 0:
		return "add it to controllers at the top of the file"
	default:
		return "write one of controllers at the top of the file"
	}
}

// refused tells why a Seed cannot be given.
func (c *defaultsCheck) refused(at string, err *seedError) {
	if err.row >= 0 {
		at = fmt.Sprintf("%s.rows[%d]", at, err.row)
	}
	c.add(at+"."+err.param, err.Text, "write what an Add of that Controller could have there")
}
