// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"strings"

	"github.com/uspgate/uspgate/usp/path"
)

const (
	trustRoot = localRoot + "ControllerTrust."
	roleTable = trustRoot + "Role."
)

// trustObjects is Device.LocalAgent.ControllerTrust. [TR-181 ControllerTrust:2],
// for reading: there is the role of the Controllers that the configuration
// lists, and the one without any right of everybody else.
func trustObjects() []*localObject {
	trust := obj(trustRoot,
		ro("UntrustedRole", path.TypeString|path.List, strings.TrimSuffix(roleTable, ".")+".2"),
		ro("BannedRole", path.TypeString, ""),
		ro("SecuredRoles", path.TypeString|path.List, ""),
		ro("TOFUAllowed", path.TypeBoolean, "false"),
		ro("TOFUInactivityTimer", path.TypeUnsignedInt, "0"),
		count("Role"),
		ro("CredentialNumberOfEntries", path.TypeUnsignedInt, "0"),
		ro("ChallengeNumberOfEntries", path.TypeUnsignedInt, "0"),
	)
	role := obj(roleTable+"{i}.",
		alias(),
		ro("Enable", path.TypeBoolean, "true"),
		ro("Name", path.TypeString, ""),
		count("Permission"),
	).keyed([]string{"Name"}, []string{"Alias"})
	permission := obj(role.Path+"Permission.{i}.",
		alias(),
		ro("Enable", path.TypeBoolean, "true"),
		ro("Order", path.TypeUnsignedInt, "0"),
		ro("Targets", path.TypeString|path.List, "Device."),
		ro("Param", path.TypeString, "----"),
		ro("Obj", path.TypeString, "----"),
		ro("InstantiatedObj", path.TypeString, "----"),
		ro("CommandEvent", path.TypeString, "----"),
	).keyed([]string{"Order"}, []string{"Alias"})
	return []*localObject{trust, role, permission}
}

// restoreTrust makes the two roles.
func (a *Agent) restoreTrust(t *tx) {
	if a.local.rows[roleTable] != nil {
		return
	}
	full := t.add(roleTable, "")
	t.set(full+"Name", "Full Access")
	row := t.add(full+"Permission.", "")
	t.set(row+"Param", "rw-n")
	t.set(row+"Obj", "rw-n")
	t.set(row+"InstantiatedObj", "rw-n")
	t.set(row+"CommandEvent", "r-xn")
	untrusted := t.add(roleTable, "")
	t.set(untrusted+"Name", "Untrusted")
	t.add(untrusted+"Permission.", "")
}
