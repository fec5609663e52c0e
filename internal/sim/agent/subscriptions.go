// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"strconv"
	"strings"
	"time"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

const subscriptionTable = localAgent + "Subscription."

// beginSubscription fills in what a new Subscription gets by itself.
func (a *Agent) beginSubscription(row string, from usp.EndpointID) {
	t := a.tree
	t.set(row+"Recipient", strings.TrimSuffix(a.controllerRow(from), "."))
	t.set(row+"CreationDate", time.Now().UTC().Format(time.RFC3339))
	t.set(row+"ID", t.get(row+"Alias"))
}

// rowAdded begins what runs while a row is there.
func (a *Agent) rowAdded(row string) {
	if table, _ := splitRow(row); table != subscriptionTable {
		return
	}
	if s, err := strconv.ParseUint(a.tree.get(row+"TimeToLive"), 10, 32); err == nil && s > 0 {
		a.after(time.Duration(s)*time.Second, func() { a.tree.removeRow(row) })
	}
}

// references splits a ReferenceList, not in the brackets of an expression.
func references(list string) []string {
	depth := 0
	parts := strings.FieldsFunc(list, func(r rune) bool {
		switch r {
		case '[':
			depth++
		case ']':
			depth--
		}
		return r == ',' && depth == 0
	})
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

// checkSubscription says whether a Subscription can be about what it refers to.
func (a *Agent) checkSubscription(row string) (groups [][]string, err *usp.Error) {
	kind, list := a.tree.get(row+"NotifType"), a.tree.get(row+"ReferenceList")
	for _, ref := range references(list) {
		p, e := path.Parse(ref)
		if e != nil || kind != "" && !a.canRefer(kind, p) || !a.isSupported(p) {
			return [][]string{{"ReferenceList"}, {"NotifType"}},
				protocolErr(usp.CodeInvalidValue, ref+" is nothing that "+kind+" can be about")
		}
	}
	if a.tree.isTrue(row+"Enable") && (kind == "" || strings.TrimSpace(list) == "") {
		return [][]string{{"Enable"}}, protocolErr(usp.CodeInvalidValue, "it is about nothing yet")
	}
	return nil, nil
}

// canRefer tells which paths a NotifType can be about.
func (a *Agent) canRefer(kind string, p path.Path) bool {
	object := p.Kind() == path.Object || p.Kind() == path.Instance
	switch kind {
	case "ValueChange":
		return object || p.Kind() == path.Parameter
	case "OperationComplete":
		return object || p.Kind() == path.Command
	case "Event":
		return object || p.Kind() == path.Event
	case "ObjectCreation":
		return a.tree.isTable(p) || p.Kind() == path.Instance && strings.HasSuffix(p.String(), "].") ||
			strings.HasSuffix(p.String(), "*.")
	default: // ObjectDeletion
		return a.tree.isTable(p) || p.Kind() == path.Instance
	}
}

// isSupported reports whether a path is in the supported data model.
func (a *Agent) isSupported(p path.Path) bool {
	generic := p.Supported()
	if p.HasReference() {
		return true
	}
	in, name := split(generic)
	o := a.tree.schema.objects[in]
	switch p.Kind() {
	case path.Parameter:
		return o != nil && o.column(name) != nil
	case path.Command:
		return o != nil && o.command(name) != nil
	case path.Event:
		return o != nil && o.event(name) != nil
	default:
		return o != nil || a.tree.schema.objects[generic+"{i}."] != nil
	}
}

// subscribers returns the enabled Subscriptions of a type to what, a parameter,
// command, event or row; rows says that it is a row, for which only the table itself
// and its rows are references. A Subscription is told of neither its own
// row nor what comes with it.
func (a *Agent) subscribers(kind, what string, row bool) []string {
	var out []string
	for _, n := range a.tree.rows[subscriptionTable] {
		sub := rowPath(subscriptionTable, n)
		if sub == what || sub == a.adding || a.tree.get(sub+"NotifType") != kind || !a.tree.isTrue(sub+"Enable") {
			continue
		}
		for _, ref := range references(a.tree.get(sub + "ReferenceList")) {
			if a.refers(ref, what, row) {
				out = append(out, sub)
				break
			}
		}
	}
	return out
}

// refers reports whether a reference is to what.
func (a *Agent) refers(ref, what string, row bool) bool {
	p, err := path.Parse(ref)
	switch {
	case err != nil:
		return false
	case row && p.Supported() != path.Generic(what) && p.Supported()+"{i}." != path.Generic(what):
		return false
	case !p.HasReference():
		return p.Covers(what, a.tree) == path.Inside
	}
	_, found, _ := a.tree.resolve(ref)
	for _, f := range found {
		if f == what || strings.HasSuffix(f, ".") && strings.HasPrefix(what, f) {
			return true
		}
	}
	return false
}
