// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"slices"
	"strings"

	"github.com/uspgate/uspgate/translate/trust"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

const (
	trustRoot = localRoot + "ControllerTrust."
	roleTable = trustRoot + "Role."
	// firstRole and untrustedRole are the references to the two Roles that every Agent
	// has.
	firstRole     = trustRoot + "Role.1"
	untrustedRole = trustRoot + "Role.2"
	// hiddenGiven marks a Role that is the configuration's, and holds the AssignedRole
	// that the configuration gives a Controller.
	hiddenGiven = "+Given"
)

// Bounds of the Role table of one Agent, of the Permissions of one Role, and of the
// Targets of one Permission.
const (
	maxRoles       = 32
	maxPermissions = 32
	maxTargets     = 32
)

// trustObjects is Device.LocalAgent.ControllerTrust. [TR-181 ControllerTrust:2]. The
// Roles are those of the configuration, which no Controller changes, and those that
// Controllers make.
func trustObjects() []*localObject {
	root := obj(trustRoot,
		rw("UntrustedRole", path.TypeString|path.List, untrustedRole),
		rw("BannedRole", path.TypeString, ""),
		rw("SecuredRoles", path.TypeString|path.List, ""),
		ro("TOFUAllowed", path.TypeBoolean, "false"),
		ro("TOFUInactivityTimer", path.TypeUnsignedInt, "0"),
		count("Role"),
		count("Credential"), count("Challenge"),
	)
	root.check = checkTrust
	root.commands = []*command{requestChallengeCommand(), challengeResponseCommand()}
	role := obj(roleTable+"{i}.",
		alias(),
		rw("Enable", path.TypeBoolean, "false"),
		once("Name", path.TypeString, maxLen(64)),
		count("Permission"),
	).keyed([]string{"Name"}, []string{"Alias"}).rows()
	role.check = checkRole
	permission := obj(role.Path+"Permission.{i}.",
		alias(),
		rw("Enable", path.TypeBoolean, "false"),
		rw("Order", path.TypeUnsignedInt, "0"),
		rw("Targets", path.TypeString|path.List, "", areTargets),
		rw("Param", path.TypeString, "----", isRights),
		rw("Obj", path.TypeString, "----", isRights),
		rw("InstantiatedObj", path.TypeString, "----", isRights),
		rw("CommandEvent", path.TypeString, "----", isRights),
	).keyed([]string{"Order"}, []string{"Alias"}).rows()
	permission.check, permission.added = checkPermission, orderPermission
	return []*localObject{root, role, permission}
}

func isRights(v string) *usp.Error {
	if err := trust.Check(v); err != nil {
		return &usp.Error{Code: usp.CodeInvalidValue, Text: err.Error()}
	}
	return nil
}

func areTargets(v string) *usp.Error {
	refs := references(v)
	if len(refs) > maxTargets {
		return &usp.Error{Code: usp.CodeResourcesExceeded, Text: "more than " + number(maxTargets) + " targets"}
	}
	for _, ref := range refs {
		if _, err := path.Parse(ref); err != nil {
			return &usp.Error{Code: usp.CodeInvalidValue, Text: ref + ": " + uspError(err).Text}
		}
	}
	return nil
}

// orderPermission puts a new Permission before those that its Role has.
func orderPermission(t *tx, row string, _ usp.EndpointID) {
	next := uint64(0)
	t.l.each(tableOf(row), func(other string) {
		if n, ok := parseUint(t.l.get(other + "Order")); ok && other != row && n < 1<<32-1 {
			next = max(next, n+1)
		}
	})
	t.l.values[row+"Order"] = number(int(next))
}

func checkRole(l *local, row string) *usp.Error {
	switch {
	case l.given(row):
		return invalid(usp.CodeRequestDenied, row, "this Role is that of the configuration")
	case len(l.rows[roleTable]) > maxRoles:
		return invalid(usp.CodeResourcesExceeded, row, "too many Roles")
	}
	return nil
}

func checkPermission(l *local, row string) *usp.Error {
	switch {
	case l.given(row):
		return invalid(usp.CodeRequestDenied, row, "this Role is that of the configuration")
	case len(l.rows[tableOf(row)]) > maxPermissions:
		return invalid(usp.CodeResourcesExceeded, row, "too many Permissions")
	}
	return nil
}

// given reports whether a row is a Role of the configuration, or a Permission of one.
func (l *local) given(row string) bool {
	rest, ok := strings.CutPrefix(row, roleTable)
	if !ok {
		return false
	}
	n, _, _ := strings.Cut(rest, ".")
	return l.values[roleTable+n+"."+hiddenGiven] != ""
}

// mayRemove refuses to remove what has to stay, although rows of its table may go.
func (l *local) mayRemove(row string) *usp.Error {
	table := tableOf(row)
	switch {
	case l.given(row):
		return invalid(usp.CodeRequestDenied, row, "this Role is that of the configuration")
	case !l.configured(row):
	case table == controllerTable:
		return invalid(usp.CodeRequestDenied, row, "the configuration says that this Controller may control")
	case strings.HasSuffix(table, ".MTP."):
		return invalid(usp.CodeRequestDenied, row, "the configuration says how this Controller is reached")
	}
	return nil
}

// checkTrust looks at what Device.LocalAgent.ControllerTrust. says of Roles. A Role of the
// configuration cannot be the banned one: it is there for somebody.
func checkTrust(l *local, root string) *usp.Error {
	for _, name := range []string{"UntrustedRole", "BannedRole", "SecuredRoles"} {
		refs := references(l.get(root + name))
		if err := l.areRoles(root+name, refs); err != nil {
			return err
		}
		if name == "BannedRole" && len(refs) > 0 && (len(refs) > 1 || l.given(refs[0]+".")) {
			return invalid(usp.CodeInvalidValue, root+name, "want one Role, and none of the configuration")
		}
	}
	return nil
}

// areRoles refuses what is no list of Roles.
func (l *local) areRoles(param string, refs []string) *usp.Error {
	if len(refs) > maxRoles {
		return invalid(usp.CodeResourcesExceeded, param, "too many Roles")
	}
	for _, ref := range refs {
		if tableOf(ref+".") != roleTable || !l.exists(ref+".") {
			return invalid(usp.CodeInvalidValue, param, ref+" is no Role")
		}
	}
	return nil
}

// isBanned reports whether a Controller has the BannedRole.
func (l *local) isBanned(row string) bool {
	banned := l.get(trustRoot + "BannedRole")
	return banned != "" && slices.Contains(references(l.get(row+"AssignedRole")), banned)
}

// checkAssignedRole looks at the AssignedRole of a Controller.
func checkAssignedRole(l *local, row string) *usp.Error {
	p := row + "AssignedRole"
	refs := references(l.get(p))
	if given := l.values[row+hiddenGiven]; given != "" && l.get(p) != given {
		return invalid(usp.CodeRequestDenied, p, "the configuration says which Role this Controller has")
	}
	return l.areRoles(p, refs)
}

// unassign takes a Role that is going to be removed from the Controllers that have it, and
// from wherever else it is named.
func (t *tx) unassign(role string) {
	ref := strings.TrimSuffix(role, ".")
	drop := func(param string) {
		refs := references(t.l.get(param))
		if rest := without(refs, func(r string) bool { return r == ref }); len(rest) < len(refs) {
			t.set(param, strings.Join(rest, ","))
		}
	}
	t.l.each(controllerTable, func(row string) { drop(row + "AssignedRole") })
	t.l.each(credentialTable, func(row string) { drop(row + "Role") })
	t.l.each(challengeTable, func(row string) { drop(row + "Role") })
	for _, name := range []string{"UntrustedRole", "BannedRole", "SecuredRoles"} {
		drop(trustRoot + name)
	}
}

// restoreTrust makes the two Roles that every Agent has and those of the configuration,
// and removes those that it does not have any more.
func (a *Agent) restoreTrust(t *tx) {
	roles := append([]Role{fullAccess(), untrustedAccess()}, a.roles()...)
	for i := range roles {
		t.giveRole(&roles[i])
	}
	for _, row := range rowsOf(t.l, roleTable) {
		name := t.l.get(row + "Name")
		if t.l.given(row) && !slices.ContainsFunc(roles, func(r Role) bool { return r.Name == name }) {
			t.remove(row)
		}
	}
}

// put is set where it changes something.
func (t *tx) put(param, value string) {
	if t.l.get(param) != value {
		t.set(param, value)
	}
}

// giveRole makes the row of a Role as it is wanted.
func (t *tx) giveRole(want *Role) {
	row := t.l.find(roleTable, "Name", want.Name)
	if row == "" {
		row = t.add(roleTable, "")
		t.set(row+"Name", want.Name)
	}
	if !t.l.given(row) {
		t.set(row+hiddenGiven, "true")
	}
	t.put(row+"Enable", "true")
	table := row + "Permission."
	rows := rowsOf(t.l, table)
	for len(rows) < len(want.Permissions) {
		rows = append(rows, t.add(table, ""))
	}
	for i := range want.Permissions {
		p, at := &want.Permissions[i], rows[i]
		t.put(at+"Enable", "true")
		t.put(at+"Order", number(int(p.Order)))
		t.put(at+"Targets", strings.Join(p.Targets, ","))
		t.put(at+"Param", orNone(p.Param))
		t.put(at+"Obj", orNone(p.Obj))
		t.put(at+"InstantiatedObj", orNone(p.InstantiatedObj))
		t.put(at+"CommandEvent", orNone(p.CommandEvent))
	}
	for _, surplus := range rows[len(want.Permissions):] {
		t.remove(surplus)
	}
}

func orNone(rights string) string {
	if rights == "" {
		return "----"
	}
	return rights
}

// assignRole gives a Controller the Role that the configuration says, or the one of
// everybody where it does not say any more.
func (t *tx) assignRole(row, name string) {
	given := t.l.values[row+hiddenGiven]
	switch {
	case name != "":
		ref := strings.TrimSuffix(t.l.find(roleTable, "Name", name), ".")
		t.put(row+"AssignedRole", ref)
		if given != ref {
			t.set(row+hiddenGiven, ref)
		}
	case given != "":
		t.set(row+hiddenGiven, "")
		t.set(row+"AssignedRole", firstRole)
	}
}
