// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"cmp"
	"fmt"
	"strings"
)

// Explain says in one line for whom an entry of translate.defaults is, and what it does.
func (d *Defaults) Explain() string {
	sel := d.Select.Selector()
	text := fmt.Sprintf("defaults %s, for %s", d.Name, sel.String())
	if len(d.Controllers) > 0 {
		var who []string
		for _, c := range d.Controllers {
			who = append(who, c.EndpointID+" ("+cmp.Or(c.Role, "role as under controllers")+")")
		}
		text += ": managed by " + strings.Join(who, ", ") + " and nobody else"
	}
	var once []string
	count := func(n int, one, more string) {
		switch {
		case n == 1:
			once = append(once, "1 "+one)
		case n > 1:
			once = append(once, fmt.Sprintf("%d %s", n, more))
		}
	}
	count(len(d.Subscriptions), "subscription", "subscriptions")
	count(len(d.BootParameters), "boot parameter", "boot parameters")
	count(len(d.BulkData), "bulk data profile", "bulk data profiles")
	if len(once) > 0 {
		to := "Virtual Agents made from now on"
		if d.Apply == "missing" {
			to = "all Virtual Agents that were not given it"
		}
		text += "; once, to " + to + ": " + strings.Join(once, ", ")
	}
	if n := len(d.Roles); n > 0 {
		text += fmt.Sprintf("; roles of their own: %d", n)
	}
	return text
}
