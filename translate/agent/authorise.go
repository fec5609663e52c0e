// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"slices"
	"strings"

	"github.com/uspgate/uspgate/cwmp/trace"
	"github.com/uspgate/uspgate/translate/trust"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// rolesOf returns what a Controller may do: what its AssignedRole and InheritedRole
// grant together, what the UntrustedRole grants if it has none, the BannedRole alone if that
// is one of them, nothing if it is not in the Controller table. It is compiled from the local
// tree and kept until ControllerTrust or the Controller table changes; see forgetRoles. The
// lock is held.
func (l *local) rolesOf(c usp.EndpointID) *trust.Roles {
	if have := l.roles[c]; have != nil {
		return have
	}
	row := l.find(controllerTable, "EndpointID", string(c))
	if row == "" {
		if have := l.parting[c]; have != nil {
			return have
		}
		return trust.Of()
	}
	refs := append(references(l.get(row+"AssignedRole")), references(l.get(row+"InheritedRole"))...)
	switch {
	case l.isBanned(row):
		refs = references(l.get(trustRoot + "BannedRole"))
	case len(refs) == 0:
		refs = references(l.get(trustRoot + "UntrustedRole"))
	}
	var roles []*trust.Role
	for _, ref := range refs {
		if l.isTrue(ref + ".Enable") {
			roles = append(roles, l.role(ref+"."))
		}
	}
	if l.roles == nil {
		l.roles = make(map[usp.EndpointID]*trust.Roles)
	}
	l.roles[c] = trust.Of(roles...)
	return l.roles[c]
}

// forgetRoles is called for each path of the local tree that changes.
func (l *local) forgetRoles(p string) {
	if strings.HasPrefix(p, trustRoot) || strings.HasPrefix(p, controllerTable) {
		l.roles = nil
	}
}

// role compiles a row of the Role table. A Permission that does not make sense grants
// nothing.
func (l *local) role(row string) *trust.Role {
	var list []trust.Permission
	l.each(row+"Permission.", func(row string) {
		if !l.isTrue(row + "Enable") {
			return
		}
		order, _ := parseUint(l.get(row + "Order"))
		p := trust.Permission{Order: uint32(order)}
		p.Rights, _ = trust.Parse(l.get(row+"Param"), l.get(row+"Obj"),
			l.get(row+"InstantiatedObj"), l.get(row+"CommandEvent"))
		for _, target := range references(l.get(row + "Targets")) {
			if t, err := path.Parse(target); err == nil {
				p.Targets = append(p.Targets, t)
			}
		}
		list = append(list, p)
	})
	return trust.NewRole(list)
}

// may reports whether a Controller has the rights for an element of the data model: an
// instantiated path, or a generic one with {i}. The lock is held.
func (a *Agent) may(c usp.EndpointID, rights trust.Rights, element string) bool {
	return a.local.rolesOf(c).May(rights, element, tree{a})
}

// authorise is may with the error for the peer [R-SEC.1]. It is asked for each path
// before anything is done.
func (a *Agent) authorise(c usp.EndpointID, rights trust.Rights, element string) *usp.Error {
	if a.may(c, rights, element) {
		return nil
	}
	return &usp.Error{Code: usp.CodePermissionDenied, Path: element, Text: "permission denied"}
}

// shownTo returns the value of a parameter if a Controller may read it [R-GET.1]. That
// of a secured one is empty. The lock is held.
func (a *Agent) shownTo(c usp.EndpointID, param string) (string, bool) {
	if !a.may(c, trust.ReadParam, param) {
		return "", false
	}
	return a.value(param)
}

// reveal returns the value of a parameter for the answer to a Get: what value is, or, of a
// secured parameter, its true value, where the Controller has one of the SecuredRoles and
// nobody can read on the way what it is sent. The lock is held.
//
// Deviation secured_empty: secured parameters of the CPE, passwords mostly, are empty to those with a
// secured Role, too: CWMP has a CPE answer with nothing, and what Controllers write is not
// kept. There remain those of the Agent's own, the Value of a Challenge.
func (a *Agent) reveal(c usp.EndpointID, param, value string) string {
	if value != "" || !isLocal(param) {
		if value == "" && trace.Secret(param) && a.local.isSecured(c) {
			a.host.metrics.deviate(deviationSecuredEmpty)
		}
		return value
	}
	object, leaf := splitParam(param)
	o := a.local.object(object)
	if o == nil || o.columns[leaf] == nil || !o.columns[leaf].secured || !a.local.isSecured(c) ||
		!a.host.trusted.protected(c) {
		return value
	}
	return a.local.values[param]
}

// isSecured reports whether a Controller has one of the SecuredRoles.
func (l *local) isSecured(c usp.EndpointID) bool {
	row := l.find(controllerTable, "EndpointID", string(c))
	if row == "" || l.isBanned(row) {
		return false
	}
	secured := references(l.get(trustRoot + "SecuredRoles"))
	has := append(references(l.get(row+"AssignedRole")), references(l.get(row+"InheritedRole"))...)
	return slices.ContainsFunc(has, func(ref string) bool {
		return slices.Contains(secured, ref) && l.isTrue(ref+".Enable")
	})
}

// readTree is the data model as a Controller may read it, so that no expression tells
// what a Get would not.
type readTree struct {
	tree
	by usp.EndpointID
}

// Value implements path.Tree.
func (t readTree) Value(param string) (string, bool) { return t.a.shownTo(t.by, param) }

// treeOf returns the data model that the expressions of a Controller are looked up in.
func (a *Agent) treeOf(c usp.EndpointID) path.Tree {
	if a.local.rolesOf(c).Unlimited() {
		return tree{a}
	}
	return readTree{tree{a}, c}
}

// readRight is the right to see a kind of element in the supported data model.
func readRight(k path.Kind) trust.Rights {
	switch k {
	case path.Command, path.Event:
		return trust.ReadCommand
	case path.Parameter:
		return trust.ReadParam
	default:
		return trust.ReadObject
	}
}

// hideUnreadable leaves out of an object of the supported data model what a Controller
// may not read [R-GSP.0]. The lock is held.
func (a *Agent) hideUnreadable(c usp.EndpointID, o *uspmsg.GetSupportedDMResp_SupportedObjectResult,
) *uspmsg.GetSupportedDMResp_SupportedObjectResult {
	if a.local.rolesOf(c).Unlimited() {
		return o
	}
	type (
		param   = uspmsg.GetSupportedDMResp_SupportedParamResult
		command = uspmsg.GetSupportedDMResp_SupportedCommandResult
		event   = uspmsg.GetSupportedDMResp_SupportedEventResult
	)
	hidden := func(rights trust.Rights, name string) bool { return !a.may(c, rights, o.GetSupportedObjPath()+name) }
	o.SupportedParams = without(o.GetSupportedParams(),
		func(p *param) bool { return hidden(trust.ReadParam, p.GetParamName()) })
	o.SupportedCommands = without(o.GetSupportedCommands(),
		func(c *command) bool { return hidden(trust.ReadCommand, c.GetCommandName()) })
	o.SupportedEvents = without(o.GetSupportedEvents(),
		func(e *event) bool { return hidden(trust.ReadCommand, e.GetEventName()) })
	return o
}

func without[E any](list []E, unwanted func(E) bool) []E {
	var rest []E
	for _, e := range list {
		if !unwanted(e) {
			rest = append(rest, e)
		}
	}
	return rest
}

// mayHear reports whether the recipient of a Notify has the right n for what it tells.
// The lock is held.
func (a *Agent) mayHear(to usp.EndpointID, n *uspmsg.Notify) bool {
	switch {
	case n.GetValueChange() != nil:
		return a.may(to, trust.NotifyParam, n.GetValueChange().GetParamPath())
	case n.GetObjCreation() != nil:
		return a.may(to, trust.NotifyCreation, n.GetObjCreation().GetObjPath())
	case n.GetObjDeletion() != nil:
		return a.may(to, trust.NotifyDeletion, n.GetObjDeletion().GetObjPath())
	case n.GetOperComplete() != nil:
		o := n.GetOperComplete()
		return a.may(to, trust.NotifyCommand, o.GetObjPath()+o.GetCommandName())
	case n.GetEvent() != nil:
		return a.may(to, trust.NotifyCommand, n.GetEvent().GetObjPath()+n.GetEvent().GetEventName())
	default:
		return false
	}
}
