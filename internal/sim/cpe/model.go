// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import (
	"embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/uspgate/uspgate/cwmp"
)

// Bounds of a model file.
const (
	maxModelBytes = 64 << 20
	maxModelRows  = 200_000
	maxModelDepth = 32
)

// The roots of the two data models.
const (
	rootTR098 = "InternetGatewayDevice."
	rootTR181 = "Device."
)

//go:embed models/*.csv
var builtin embed.FS

// Model is the data model of a device with its factory values. It is
// immutable; any number of CPE may share it.
type Model struct {
	name   string
	root   *node // nameless, with the root object as its child
	rows   *node // templates of rows, by generic path
	params int
}

// Name of the built-in model, or the base name of the file.
func (m *Model) Name() string { return m.name }

// Root returns "InternetGatewayDevice." or "Device.".
func (m *Model) Root() string { return m.root.kids[0].name + "." }

// Params counts the parameters.
func (m *Model) Params() int { return m.params }

// Builtin lists the names of the built-in models, sorted.
func Builtin() []string {
	files, _ := fs.Glob(builtin, "models/*.csv") // the pattern is well-formed
	for i, f := range files {
		files[i] = strings.TrimSuffix(path.Base(f), ".csv")
	}
	return files
}

// LoadBuiltin loads a built-in model.
func LoadBuiltin(name string) (*Model, error) {
	f, err := builtin.Open("models/" + name + ".csv")
	if err != nil {
		return nil, fmt.Errorf("sim/cpe: no built-in model %q; there are %s", name, strings.Join(Builtin(), ", "))
	}
	defer func() { _ = f.Close() }()
	return Load(name, f)
}

// LoadFile loads a model from a CSV file; see Load.
func LoadFile(name string) (*Model, error) {
	f, err := os.Open(filepath.Clean(name))
	if err != nil {
		return nil, fmt.Errorf("sim/cpe: model: %w", err)
	}
	defer func() { _ = f.Close() }()
	return Load(strings.TrimSuffix(filepath.Base(name), ".csv"), f)
}

// Load reads a model: CSV with the header path,writable,value,type and, if
// wanted, a fifth column rule. Objects have the type "object" and a path that
// ends in a dot; writable is 1, 0 or blank, and means AddObject for a table and
// DeleteObject for a row. A path with {i} is the template of a table's new
// rows; tables without one take their columns from their first row. Values may
// hold {serial}, {oui}, {pc}, {mac}, {mac+N} and {ip}, filled per CPE. A rule
// restricts what the ACS may set: a|b|c, list:a|b, MIN:MAX or len:MIN:MAX.
//
// Errors name the line: a path twice, a parameter without its object, an
// unknown type. Values are not checked against their types: real devices
// report what they like.
func Load(name string, r io.Reader) (*Model, error) {
	in := csv.NewReader(io.LimitReader(r, maxModelBytes))
	in.FieldsPerRecord = -1
	in.ReuseRecord = true
	l := loader{rows: &node{object: true}, root: &node{object: true}}
	if err := l.header(in); err != nil {
		return nil, fmt.Errorf("sim/cpe: model %s: %w", name, err)
	}
	for {
		rec, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("sim/cpe: model %s: %w", name, err)
		}
		line, _ := in.FieldPos(0)
		if err := l.add(rec); err != nil {
			return nil, fmt.Errorf("sim/cpe: model %s: line %d: %w", name, line, err)
		}
	}
	if len(l.root.kids) != 1 || l.rootName() != rootTR098 && l.rootName() != rootTR181 {
		return nil, fmt.Errorf("sim/cpe: model %s: the root must be %s or %s", name, rootTR098, rootTR181)
	}
	m := &Model{name: name, root: l.root, rows: l.rows, params: l.params}
	m.derive("", l.root)
	return m, nil
}

// loader builds the trees; its nodes are still mutable.
type loader struct {
	root, rows *node
	rule       bool // there is a fifth column
	count      int
	params     int
}

func (l *loader) rootName() string { return l.root.kids[0].name + "." }

func (l *loader) header(in *csv.Reader) error {
	rec, err := in.Read()
	if err != nil {
		return fmt.Errorf("header: %w", err)
	}
	want := []string{"path", "writable", "value", "type", "rule"}
	if len(rec) < 4 || len(rec) > 5 || !slices.Equal(rec, want[:len(rec)]) {
		return fmt.Errorf("line 1: got header %q, want %q", rec, want[:4])
	}
	l.rule = len(rec) == 5
	return nil
}

// add takes one line.
func (l *loader) add(rec []string) error {
	if len(rec) != 4 && (!l.rule || len(rec) != 5) {
		return fmt.Errorf("got %d fields, want path,writable,value,type", len(rec))
	}
	if l.count++; l.count > maxModelRows {
		return fmt.Errorf("more than %d rows", maxModelRows)
	}
	p := strings.Clone(rec[0])
	isObject := strings.HasSuffix(p, ".")
	segs := strings.Split(strings.TrimSuffix(p, "."), ".")
	if len(segs) > maxModelDepth || slices.Contains(segs, "") {
		return fmt.Errorf("path %q is not one", p)
	}
	var writable bool
	switch rec[1] {
	case "1":
		writable = true
	case "0", "":
	default:
		return fmt.Errorf("%s: writable is %q, want 1, 0 or blank", p, rec[1])
	}
	if isObject != (rec[3] == "object") {
		return fmt.Errorf("%s: an object has a trailing dot and the type object, a parameter neither", p)
	}
	n := &node{name: segs[len(segs)-1], object: true, writable: writable}
	if !isObject {
		var err error
		if n, err = l.param(n.name, writable, rec); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
	}
	if strings.Contains(p, rowName) {
		return l.template(segs, n)
	}
	if !isObject {
		l.params++
	}
	return l.instance(segs, n)
}

// param makes a parameter.
func (l *loader) param(name string, writable bool, rec []string) (*node, error) {
	local := rec[3][strings.LastIndexByte(rec[3], ':')+1:]
	typ := cwmp.ParseType(local)
	if typ == cwmp.TypeUnknown && local != "" {
		return nil, fmt.Errorf("unknown type %q", rec[3])
	}
	n := newParam(name, strings.Clone(rec[2]), typ, writable)
	if len(rec) == 5 {
		var err error
		if n.rule, err = parseRule(strings.Clone(rec[4])); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// instance puts n in the tree, under objects that were given before.
func (l *loader) instance(segs []string, n *node) error {
	at := l.root
	for _, s := range segs[:len(segs)-1] {
		if at = at.kid(s); at == nil || !at.object {
			return fmt.Errorf("%s: its object was not given before", strings.Join(segs, "."))
		}
	}
	if at.kid(n.name) != nil {
		return fmt.Errorf("%s: given twice", strings.Join(segs, "."))
	}
	if isInstance(n.name) {
		at.insert(n)
	} else {
		at.kids = append(at.kids, n)
	}
	return nil
}

// template puts n in the tree of templates, whose instances are all {i}. An
// object that is only passed through is not a template by itself.
func (l *loader) template(segs []string, n *node) error {
	at := l.rows
	for _, s := range segs[:len(segs)-1] {
		next := at.step(s)
		if next == nil {
			next = &node{name: s, object: true, last: passedThrough}
			at.attach(s, next)
		}
		at = next
	}
	last := segs[len(segs)-1]
	switch have := at.step(last); {
	case have == nil:
		at.attach(last, n)
	case have.last == passedThrough && n.object:
		have.last, have.writable = 0, n.writable
	default:
		return fmt.Errorf("%s: given twice", strings.Join(segs, "."))
	}
	return nil
}

// passedThrough in node.last marks an object in the tree of templates that
// has no line of its own.
const passedThrough = ^uint32(0)

// step goes one segment down in the tree of templates.
func (n *node) step(seg string) *node {
	if seg == rowName || isInstance(seg) {
		return n.row
	}
	return n.kid(seg)
}

func (n *node) attach(seg string, k *node) {
	if seg == rowName || isInstance(seg) {
		n.row = k
		return
	}
	n.kids = append(n.kids, k)
}

// template returns what a new row of the table has, or nil if that is unknown.
func (m *Model) template(table string) *node {
	at := m.rows
	for seg := range strings.SplitSeq(strings.TrimSuffix(table, "."), ".") {
		if at = at.step(seg); at == nil {
			return nil
		}
	}
	if at.row == nil || at.row.last == passedThrough {
		return nil
	}
	return at.row
}

// derive makes templates for the tables below n that have none, from their
// first rows.
func (m *Model) derive(at string, n *node) {
	for _, k := range n.kids {
		if !k.object {
			continue
		}
		p := k.path(at)
		if isInstance(k.name) && m.template(at) == nil {
			m.setTemplate(at, example(k))
		}
		m.derive(p, k)
	}
}

// setTemplate registers the row of a table.
func (m *Model) setTemplate(table string, row *node) {
	at := m.rows
	for seg := range strings.SplitSeq(strings.TrimSuffix(table, "."), ".") {
		next := at.step(seg)
		if next == nil {
			next = &node{name: seg, object: true, last: passedThrough}
			at.attach(seg, next)
		}
		at = next
	}
	if at.row != nil { // passed through: keep the templates below it
		graft(row, at.row)
	}
	at.row = row
}

// graft moves the row templates below from to the same objects below to.
func graft(to, from *node) {
	to.row = from.row
	for _, f := range from.kids {
		if t := to.kid(f.name); t != nil && t.object {
			graft(t, f)
		}
	}
}

// example makes a template from a row: the same columns with blank values, and
// empty tables.
func example(row *node) *node {
	cp := *row
	cp.kids = nil
	if !cp.object {
		cp.value, cp.expand = blank(row.typ, row.value), false
		return &cp
	}
	for _, k := range row.kids {
		if !isInstance(k.name) {
			cp.kids = append(cp.kids, example(k))
		}
	}
	return &cp
}
