// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package path

import (
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/uspgate/uspgate/usp"
)

// Tree is one instantiated data model, supplied by an Agent. What the asking
// Controller may not read is absent from it.
type Tree interface {
	// SupportedObject looks an object up by generic path, Device.WiFi. or
	// Device.WiFi.SSID.{i}., and tells whether it is a table.
	SupportedObject(generic string) (multi, ok bool)
	// SupportedParam looks a parameter up by generic path,
	// Device.WiFi.SSID.{i}.SSID.
	SupportedParam(generic string) (t Type, ok bool)
	// Instances returns the instance numbers in a table, ascending, by
	// instantiated path, Device.WiFi.SSID.; nil if there are none. The caller
	// does not change them.
	Instances(table string) []uint32
	// Value returns the value of a parameter by instantiated path.
	Value(param string) (v string, ok bool)
}

// MaxVisits bounds the work of one Resolve: the number of rows looked at and
// of references followed. More is error 7005.
const MaxVisits = 1 << 20

// Resolve returns the instantiated paths that p stands for, of the same kind
// as p, in data-model order and without duplicates. It returns none without an
// error where a search matches nothing or an addressed key does not exist
// [R-ARC.9, R-ARC.10, R-MSG.4a]. A limit below 1 is no limit.
//
// Of a Command or Event Path only the object is looked up; whether it has that
// command or event, and whether an instance really has a supported parameter,
// the caller sees when it uses the result.
//
// Errors are *usp.Error: 7026 for what is not supported, 7016 for an instance
// that does not exist in a path without search, 7008 for an expression that
// does not fit the data model, 7005 for more than limit paths.
func Resolve(p Path, t Tree, limit int) ([]string, error) {
	r := resolver{p: &p, t: t, limit: limit}
	if err := r.checkStatic(); err != nil {
		return nil, err
	}
	r.buf = make([]byte, 0, len(p.s)+32)
	if err := r.walk(0); err != nil {
		return nil, err
	}
	if len(r.out) == 0 && r.unsupported != "" {
		return nil, notSupported(r.unsupported)
	}
	if r.seen != nil {
		sort.Slice(r.out, func(i, j int) bool { return Less(r.out[i], r.out[j]) })
	}
	return r.out, nil
}

// resolver walks the tree depth first; buf is the instantiated path so far.
type resolver struct {
	p      *Path
	t      Tree
	limit  int
	visits int
	buf    []byte
	out    []string
	// types are those of the comparisons without reference in front of the
	// first reference, set by checkStatic.
	types [MaxComparisons]Type
	// dynamic is true behind a reference, where nothing has been checked yet.
	dynamic bool
	// seen are the results of a path with references, which may meet.
	seen map[string]struct{}
	// unsupported is what a reference led to that does not exist in the model.
	unsupported string
}

func notSupported(path string) error {
	return &usp.Error{Code: usp.CodeInvalidPath, Path: path, Text: "not in the supported data model"}
}

func (r *resolver) visit() error {
	if r.visits++; r.visits > MaxVisits {
		return &usp.Error{
			Code: usp.CodeResourcesExceeded, Path: r.p.s,
			Text: "the path would look at more than " + strconv.Itoa(MaxVisits) + " rows",
		}
	}
	return nil
}

func (r *resolver) walk(i int) error {
	if i == len(r.p.segs) {
		return r.emit("")
	}
	seg := &r.p.segs[i]
	if seg.kind != segName {
		return r.rows(i)
	}
	if i+1 < len(r.p.segs) && r.p.segs[i+1].kind == segReference {
		return r.followAt(i)
	}
	if i+1 == len(r.p.segs) && r.p.kind != Object && r.p.kind != Instance {
		return r.emit(seg.name)
	}
	n := len(r.buf)
	r.buf = append(append(r.buf, seg.name...), '.')
	err := r.walk(i + 1)
	r.buf = r.buf[:n]
	return err
}

// rows goes on with every row that segment i picks of the table in buf.
func (r *resolver) rows(i int) error {
	seg := &r.p.segs[i]
	table := string(r.buf)
	if r.dynamic && !r.isTable(Generic(table)) {
		r.unsupported = table
		return nil
	}
	rows := r.t.Instances(table)
	if seg.kind == segNumber {
		at, ok := slices.BinarySearch(rows, seg.num)
		switch {
		case ok:
			rows = rows[at : at+1]
		case r.p.search:
			return nil
		default:
			return &usp.Error{
				Code: usp.CodeObjectDoesNotExist, Path: table + strconv.FormatUint(uint64(seg.num), 10) + ".",
				Text: "the instance does not exist",
			}
		}
	}
	n := len(r.buf)
	defer func() { r.buf = r.buf[:n] }()
	for _, row := range rows {
		if err := r.visit(); err != nil {
			return err
		}
		r.buf = append(strconv.AppendUint(r.buf[:n], uint64(row), 10), '.')
		if seg.kind == segExpression {
			ok, err := r.matches(seg)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
		}
		if err := r.walk(i + 1); err != nil {
			return err
		}
	}
	return nil
}

// emit adds the result buf + name.
func (r *resolver) emit(name string) error {
	if r.dynamic && !r.supports(name) {
		r.unsupported = string(r.buf) + name
		return nil
	}
	result := string(r.buf) + name + r.p.kind.suffix()
	if r.seen != nil {
		if _, ok := r.seen[result]; ok {
			return nil
		}
		r.seen[result] = struct{}{}
	}
	if r.limit > 0 && len(r.out) == r.limit {
		return &usp.Error{
			Code: usp.CodeResourcesExceeded, Path: r.p.s,
			Text: "the path stands for more than " + strconv.Itoa(r.limit) + " elements",
		}
	}
	r.out = append(r.out, result)
	return nil
}

// supports looks up what a reference led to.
func (r *resolver) supports(name string) bool {
	generic := Generic(string(r.buf))
	if name != "" && r.p.kind == Parameter {
		_, ok := r.t.SupportedParam(generic + name)
		return ok
	}
	return r.isObject(generic)
}

// isObject accepts a table without its rows, too.
func (r *resolver) isObject(generic string) bool {
	_, ok := r.t.SupportedObject(generic)
	return ok || r.isTable(generic)
}

func (r *resolver) isTable(generic string) bool {
	multi, ok := r.t.SupportedObject(generic + "{i}.")
	return ok && multi
}

// followAt follows the reference in the parameter of segment i and goes on
// behind it.
func (r *resolver) followAt(i int) error {
	ref := &r.p.segs[i+1]
	if r.seen == nil {
		r.seen = make(map[string]struct{})
	}
	n := len(r.buf)
	param := string(r.buf) + r.p.segs[i].name
	wasDynamic := r.dynamic
	if wasDynamic {
		if _, ok := r.t.SupportedParam(Generic(param)); !ok {
			r.unsupported = param
			return nil
		}
	}
	old := r.buf
	defer func() { r.buf, r.dynamic = old[:n], wasDynamic }()
	return r.targets(param, ref.num, func(target string) error {
		r.dynamic = true
		r.buf = append([]byte(nil), target...)
		return r.walk(i + 2)
	})
}

// targets calls f with the object path of every existing row or object that
// the parameter's value refers to, or of the index-th only, counted from 1.
// An empty or dangling reference leads nowhere, which is no error.
func (r *resolver) targets(param string, index uint32, f func(target string) error) error {
	list, ok := r.t.Value(param)
	if !ok {
		return nil
	}
	n := uint32(0)
	for more := list != ""; more; {
		var elem string
		elem, list, more = strings.Cut(list, ",")
		n++
		if index != 0 && n != index {
			continue
		}
		if err := r.visit(); err != nil {
			return err
		}
		target := strings.TrimSpace(elem)
		if !strings.HasSuffix(target, ".") {
			target += "." // references in values omit the dot
		}
		if !r.exists(target) {
			continue
		}
		if err := f(target); err != nil {
			return err
		}
	}
	return nil
}

// exists reports whether a reference's target is an object of the tree now.
func (r *resolver) exists(target string) bool {
	p, err := Parse(target)
	if err != nil || p.search || !r.isObject(Generic(target)) {
		return false
	}
	for i, at := 0, 0; i < len(p.segs); i++ {
		seg := &p.segs[i]
		next := at + strings.IndexByte(target[at:], '.') + 1
		if seg.kind == segNumber {
			if _, ok := slices.BinarySearch(r.t.Instances(target[:at]), seg.num); !ok {
				return false
			}
		}
		at = next
	}
	return true
}
