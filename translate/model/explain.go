// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"fmt"
	"strings"
)

// Explain says in a few lines where a Device:2 path, or a name of the CPE's own
// data model, comes from and goes to. It shows no values.
func (v *View) Explain(p string) string {
	v.use()
	var b strings.Builder
	if r, ok := RootOf(p); ok && r == TR098 {
		v.explainCPE(&b, p)
		return b.String()
	}
	t, n := v.resolve(p)
	switch {
	case n != nil && v.root == TR181:
		fmt.Fprintf(&b, "%s: the device's own, as it is\n", p)
	case n != nil:
		fmt.Fprintf(&b, "%s: no rule covers %s, shown as it is\n", p, n.path())
	case t != nil && t.cell != nil:
		v.explainCell(&b, p, t.cell)
	case t != nil && t.row != nil:
		fmt.Fprintf(&b, "%s: made by the rule at %s of\n", p, t.row.m.where)
		for _, s := range t.row.base {
			fmt.Fprintf(&b, "  %s\n", s.path())
		}
		if t.row.key != "" && t.row.m.group != nil {
			fmt.Fprintf(&b, "  which have in common: %s\n", t.row.key)
		}
	case t != nil:
		fmt.Fprintf(&b, "%s: holds other objects\n", p)
	default:
		v.explainMissing(&b, p)
	}
	return b.String()
}

// explainCell tells how a parameter is filled.
func (v *View) explainCell(b *strings.Builder, p string, c *cell) {
	fmt.Fprintf(b, "%s: %s %s, %s\n", p, c.rule.decl.typ, c.access(), c.rec.kind.explain())
	for _, n := range c.src {
		hint := ""
		if !n.writable() {
			hint = " (read-only on the device)"
		}
		fmt.Fprintf(b, "  %s%s\n", n.path(), hint)
	}
	for i := range c.rec.tables {
		fmt.Fprintf(b, "  to %s\n", c.rec.tables[i])
	}
	if c.row != nil && c.row.m != nil {
		fmt.Fprintf(b, "  rule at %s\n", c.row.m.where)
	}
}

func (k recipeKind) explain() string {
	switch k {
	case kindDirect:
		return "from the device"
	case kindConst:
		return "always the same"
	case kindKey:
		return "what the grouped objects have in common"
	case kindItem:
		return "one item of a list"
	case kindCases:
		return "decided by several parameters"
	case kindRef:
		return "refers to the row made of the same object or one above"
	case kindPath:
		return "a path of the device, translated"
	case kindCount:
		return "counted"
	case kindList:
		return "what the device's parameters imply"
	case kindAlias:
		return "kept by the gateway"
	default:
		return "?"
	}
}

// explainMissing tells why there is nothing.
func (v *View) explainMissing(b *strings.Builder, p string) {
	if v.root == TR181 {
		if n := v.find(p); n != nil && n.is(flagHidden) {
			fmt.Fprintf(b, "%s: hidden, USP has no such element\n", p)
			return
		}
	}
	switch {
	case v.r.decl(generic(p)) != nil || v.r.objects[generic(p)] != nil || v.r.objects[generic(p)+"{i}."] != nil:
		fmt.Fprintf(b, "%s: there is a rule, but the device has nothing for it\n", p)
	default:
		fmt.Fprintf(b, "%s: no rule, and not of the device\n", p)
	}
}

// explainCPE tells where an InternetGatewayDevice name is shown.
func (v *View) explainCPE(b *strings.Builder, p string) {
	n := v.find(p)
	switch {
	case v.root != TR098 || n == nil:
		fmt.Fprintf(b, "%s: the device has no such element\n", p)
	case n.is(flagHidden) && (v.r.hide[TR098].covers(n)):
		fmt.Fprintf(b, "%s: hidden, USP has no such element\n", p)
	case n.is(flagHidden):
		fmt.Fprintf(b, "%s: dropped, it has no meaning in Device:2\n", p)
	case len(n.deps) > 0:
		fmt.Fprintf(b, "%s: shown as\n", p)
		for _, t := range n.deps {
			fmt.Fprintf(b, "  %s\n", t.path())
		}
	default:
		for _, r := range v.rowsOf[n] {
			fmt.Fprintf(b, "%s: shown as %s\n", p, r.t.path())
		}
		if n.is(flagVisible) {
			fmt.Fprintf(b, "%s: shown as it is at %s\n", p, v.shownPath(n))
		}
	}
}

// covers reports that t holds n or something above it.
func (t *pattern) covers(n *node) bool {
	for ; n != nil; n = n.parent {
		if t.match(n) {
			return true
		}
	}
	return false
}
