// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package property_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"pgregory.net/rapid"

	"github.com/uspgate/uspgate/usp/uspmsg"
)

// request is an Add, a Set or a Delete that may be printed.
type request struct {
	verb    string
	partial bool
	objects []object
}

// object is one path of a request: the table, the row of the parent that its path
// begins with, and which rows are meant.
type object struct {
	table    *table
	path     string
	match    func(tree) [][]int // the rows, or for Add those of the parent
	absent   bool               // an instance that is not there is named
	settings []setting
	faulty   bool // the CPE may refuse what is good
}

type setting struct {
	name, value   string
	required, bad bool
}

// String is the request as a failing test shows it.
func (r *request) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s allow_partial=%t", r.verb, r.partial)
	for i := range r.objects {
		o := &r.objects[i]
		fmt.Fprintf(&b, " [%s", o.path)
		for _, s := range o.settings {
			fmt.Fprintf(&b, " %s=%q", s.name, short(s.value))
			if s.required {
				b.WriteString("!")
			}
		}
		b.WriteString("]")
	}
	return b.String()
}

func short(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

// fails says whether an object has to fail as a whole: something required is bad,
// and there is a row for it.
func (r *request) fails(o *object, t tree) bool {
	if o.absent && r.verb != "Delete" {
		return true
	}
	if len(o.match(t)) == 0 {
		return false
	}
	if r.verb == "Delete" {
		return slices.ContainsFunc(o.match(t), o.table.isStaying)
	}
	for _, s := range o.settings {
		if s.bad && s.required {
			return true
		}
	}
	return false
}

func drawBool(rt *rapid.T, label string) bool { return rapid.Bool().Draw(rt, label) }

// drawRequest draws what fits the tree that is there.
func drawRequest(rt *rapid.T, s *shape, t tree, unique *int) *request {
	r := &request{verb: rapid.SampledFrom([]string{"Add", "Add", "Set", "Set", "Delete"}).Draw(rt, "verb")}
	r.partial = drawBool(rt, "allow_partial")
	n := rapid.IntRange(1, 3).Draw(rt, "objects")
	for range n {
		tb := s.tables[rapid.IntRange(0, len(s.tables)-1).Draw(rt, "table")]
		if tb.single && r.verb != "Set" {
			tb = s.tables[0]
		}
		o := object{table: tb}
		switch r.verb {
		case "Add":
			o.drawParent(rt, t)
		default:
			o.drawRows(rt, t)
		}
		if r.verb != "Delete" {
			o.drawSettings(rt, r.verb == "Add", unique)
		}
		if r.verb == "Set" && !r.partial {
			o.settings = slices.DeleteFunc(o.settings, func(s setting) bool { return r.sets(tb, s.name) })
		}
		r.objects = append(r.objects, o)
	}
	return r
}

// sets says whether a parameter is set already: one unit cannot give it two values.
func (r *request) sets(t *table, name string) bool {
	for i := range r.objects {
		o := &r.objects[i]
		if o.table == t && slices.ContainsFunc(o.settings, func(s setting) bool { return s.name == name }) {
			return true
		}
	}
	return false
}

// rowsOf lists the numbers of the rows of a table in a tree.
func (t *table) rowsOf(tr tree) [][]int {
	parents := [][]int{nil}
	if t.parent != nil {
		parents = t.parent.rowsOf(tr)
	}
	if t.single {
		return parents
	}
	var out [][]int
	for _, p := range parents {
		for n := 1; n <= highest; n++ {
			numbers := append(append([]int(nil), p...), n)
			if _, ok := tr[t.row(numbers, false)+t.columns[0].name]; ok {
				out = append(out, numbers)
			}
		}
	}
	return out
}

// drawParent is the path of an Add: of a table, that of one row of another table, of all of
// them, or of one that is not there.
func (o *object) drawParent(rt *rapid.T, t tree) {
	p := o.table.parent
	if p == nil {
		o.path = o.table.path
		o.match = func(tree) [][]int { return [][]int{nil} }
		return
	}
	rows := p.rowsOf(t)
	switch rapid.SampledFrom([]string{"row", "row", "row", "all", "absent"}).Draw(rt, "target") {
	case "row":
		if len(rows) > 0 {
			rows = [][]int{rapid.SampledFrom(rows).Draw(rt, "row")}
			o.path = in(o.table.path, rows[0]...)
			break
		}
		fallthrough
	case "all":
		o.path = strings.Replace(o.table.path, "{i}", "*", 1)
	case "absent":
		o.path, o.absent = in(o.table.path, highest+1), true
		rows = nil
	}
	o.match = func(tree) [][]int { return rows }
}

// drawRows is the path of rows.
func (o *object) drawRows(rt *rapid.T, t tree) {
	tb := o.table
	if tb.single {
		o.path = tb.path
		o.match = func(tree) [][]int { return [][]int{nil} }
		return
	}
	prefix, under := tb.path, func([]int) bool { return true }
	if tb.parent != nil {
		up := rapid.SampledFrom(append(tb.parent.rowsOf(t), nil)).Draw(rt, "parent")
		if up == nil {
			prefix = strings.Replace(prefix, "{i}", "*", 1)
		} else {
			prefix = in(prefix, up...)
			under = func(n []int) bool { return n[0] == up[0] }
		}
	}
	test := func(tree, []int) bool { return true }
	switch rapid.SampledFrom([]string{"row", "row", "row", "all", "search", "absent"}).Draw(rt, "target") {
	case "row":
		if rows := tb.rowsOf(t); len(rows) > 0 {
			row := rapid.SampledFrom(rows).Draw(rt, "row")
			o.path = tb.row(row, false)
			o.match = func(tree) [][]int { return [][]int{row} }
			return
		}
		fallthrough
	case "all":
		o.path = prefix + "*."
	case "search":
		var expr string
		expr, test = drawSearch(rt, tb)
		o.path = prefix + expr + "."
	case "absent":
		o.path = prefix + strconv.Itoa(highest+1) + "."
		// [R-MSG.4a]: below a wildcard it is a search that finds nothing.
		o.absent = !strings.Contains(o.path, "*")
		test = func(tree, []int) bool { return false }
	}
	o.match = func(t tree) [][]int {
		var out [][]int
		for _, n := range tb.rowsOf(t) {
			if under(n) && test(t, n) {
				out = append(out, n)
			}
		}
		return out
	}
}

// drawSearch is a search expression, with what it means.
func drawSearch(rt *rapid.T, tb *table) (expr string, test func(tree, []int) bool) {
	var terms []string
	var tests []func(tree, []int) bool
	for range rapid.IntRange(1, 2).Draw(rt, "terms") {
		c := &tb.columns[rapid.IntRange(0, len(tb.columns)-1).Draw(rt, "column")]
		if c.comparable == "" {
			continue
		}
		op := rapid.SampledFrom(strings.Split(c.comparable, ",")).Draw(rt, "operator")
		value := rapid.SampledFrom(searchable(c.good)).Draw(rt, "operand")
		quoted := value
		if c.comparable == textual && !c.boolean {
			quoted = strconv.Quote(value)
		}
		terms = append(terms, c.name+op+quoted)
		tests = append(tests, func(t tree, n []int) bool {
			return compare(t[tb.row(n, false)+c.name], op, value, c.comparable == numeric)
		})
	}
	if len(terms) == 0 {
		return "*", func(tree, []int) bool { return true }
	}
	return "[" + strings.Join(terms, "&&") + "]", func(t tree, n []int) bool {
		for _, f := range tests {
			if !f(t, n) {
				return false
			}
		}
		return true
	}
}

// searchable leaves out what would have to be escaped.
func searchable(values []string) []string {
	var out []string
	for _, v := range values {
		if !strings.ContainsAny(v, "\"<>]&") {
			out = append(out, v)
		}
	}
	return out
}

func compare(have, op, want string, number bool) bool {
	c := strings.Compare(have, want)
	if number {
		a, errA := strconv.ParseInt(have, 10, 64)
		b, errB := strconv.ParseInt(want, 10, 64)
		if errA != nil || errB != nil {
			return false
		}
		c = int(min(max(a-b, -1), 1))
	}
	switch op {
	case "==":
		return c == 0
	case "!=":
		return c != 0
	case "<":
		return c < 0
	case ">":
		return c > 0
	default:
		return c >= 0
	}
}

// drawSettings draws values, good ones, bad ones and a name that is not there.
func (o *object) drawSettings(rt *rapid.T, add bool, unique *int) {
	for i := range o.table.columns {
		c := &o.table.columns[i]
		if c.must && add {
			*unique++
			o.settings = append(o.settings, setting{name: c.name, value: strconv.Itoa(20_000 + *unique), required: true})
		}
		if c.fixed || len(c.good)+len(c.bad) == 0 || !drawBool(rt, "set") {
			continue
		}
		s := setting{name: c.name, required: drawBool(rt, "required") || add && c.key}
		s.bad = len(c.good) == 0 || len(c.bad) > 0 && rapid.IntRange(0, 4).Draw(rt, "bad") == 0
		values := c.good
		if s.bad {
			values = c.bad
		}
		s.value = rapid.SampledFrom(values).Draw(rt, "value")
		o.settings = append(o.settings, s)
	}
	if len(o.settings) == 0 || rapid.IntRange(0, 9).Draw(rt, "nonsense") == 0 {
		o.settings = append(o.settings, setting{name: "Nonsense", value: "1", bad: true, required: drawBool(rt, "required")})
	}
}

// message is the request on the wire.
func (r *request) message() *uspmsg.Request {
	switch r.verb {
	case "Add":
		m := &uspmsg.Add{AllowPartial: r.partial}
		for i := range r.objects {
			c := &uspmsg.Add_CreateObject{ObjPath: r.objects[i].path}
			for _, s := range r.objects[i].settings {
				c.ParamSettings = append(c.ParamSettings,
					&uspmsg.Add_CreateParamSetting{Param: s.name, Value: s.value, Required: s.required})
			}
			m.CreateObjs = append(m.CreateObjs, c)
		}
		return &uspmsg.Request{ReqType: &uspmsg.Request_Add{Add: m}}
	case "Set":
		m := &uspmsg.Set{AllowPartial: r.partial}
		for i := range r.objects {
			u := &uspmsg.Set_UpdateObject{ObjPath: r.objects[i].path}
			for _, s := range r.objects[i].settings {
				u.ParamSettings = append(u.ParamSettings,
					&uspmsg.Set_UpdateParamSetting{Param: s.name, Value: s.value, Required: s.required})
			}
			m.UpdateObjs = append(m.UpdateObjs, u)
		}
		return &uspmsg.Request{ReqType: &uspmsg.Request_Set{Set: m}}
	default:
		m := &uspmsg.Delete{AllowPartial: r.partial}
		for i := range r.objects {
			m.ObjPaths = append(m.ObjPaths, r.objects[i].path)
		}
		return &uspmsg.Request{ReqType: &uspmsg.Request_Delete{Delete: m}}
	}
}
