// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package path

import (
	"errors"
	"strings"

	"github.com/uspgate/uspgate/usp"
)

// checkStatic looks up, once per Resolve, everything in front of the first
// reference: that the objects are supported, that the tables are tables and
// that expressions fit the types of their parameters.
func (r *resolver) checkStatic() error {
	var generic strings.Builder
	generic.Grow(len(r.p.s) + 8)
	segs := r.p.segs
	for i := range segs {
		seg := &segs[i]
		switch seg.kind {
		case segReference:
			return nil // checked as the parameter in front of it
		case segName:
			generic.WriteString(seg.name)
			if i+1 < len(segs) && segs[i+1].kind == segReference || i+1 == len(segs) && r.p.kind == Parameter {
				return r.checkParam(generic.String())
			}
			if i+1 == len(segs) && (r.p.kind == Command || r.p.kind == Event) {
				object := strings.TrimSuffix(generic.String(), seg.name)
				return r.checkObject(object)
			}
			generic.WriteByte('.')
		default:
			if !r.isTable(generic.String()) {
				return notSupported(generic.String() + "{i}.")
			}
			generic.WriteString("{i}.")
			if err := r.checkExpression(seg, generic.String()); err != nil {
				return err
			}
		}
	}
	return r.checkObject(generic.String())
}

func (r *resolver) checkObject(generic string) error {
	if !r.isObject(generic) {
		return notSupported(generic)
	}
	return nil
}

func (r *resolver) checkParam(generic string) error {
	if _, ok := r.t.SupportedParam(generic); !ok {
		return notSupported(generic)
	}
	return nil
}

// checkExpression checks the comparisons of one expression on rows of the
// table generic, and notes the types of their parameters.
func (r *resolver) checkExpression(seg *segment, generic string) error {
	for i := int(seg.lo); i < int(seg.hi); i++ {
		c := &r.p.comps[i]
		param := generic
		for j := range c.segs {
			if c.segs[j].kind == segReference {
				break
			}
			if j > 0 {
				param += "."
				if r.isTable(param) {
					return r.misfit(c, "an expression does not enter the table "+param)
				}
			}
			param += c.segs[j].name
		}
		t, ok := r.t.SupportedParam(param)
		if !ok {
			return notSupported(param)
		}
		if !c.plain {
			continue
		}
		if err := r.checkLiteral(c, t); err != nil {
			return err
		}
		r.types[i] = t
	}
	return nil
}

// checkLiteral holds that strings alone are quoted. A dateTime may be, since
// the formal grammar knows no other way to write one; a string need not be.
func (r *resolver) checkLiteral(c *comparison, t Type) error {
	if c.quoted {
		switch base := t.Base(); base {
		case TypeBoolean, TypeInt, TypeUnsignedInt, TypeLong, TypeUnsignedLong, TypeDecimal:
			return r.misfit(c, "a value of type "+base.String()+" is not quoted")
		default:
		}
	}
	var e *usp.Error
	if err := Comparable(t, c.op, c.value); errors.As(err, &e) {
		return &usp.Error{Code: e.Code, Path: r.p.s, Text: e.Text + ", in " + c.rel}
	}
	return nil
}

func (r *resolver) misfit(c *comparison, text string) error {
	return &usp.Error{
		Code: usp.CodeInvalidPathSyntax, Path: r.p.s,
		Text: "invalid search expression: " + text + ", in " + c.rel,
	}
}

// matches reports whether the row in buf satisfies the expression seg.
func (r *resolver) matches(seg *segment) (bool, error) {
	if r.dynamic {
		if err := r.checkExpression(seg, Generic(string(r.buf))); err != nil {
			return false, err
		}
	}
	n := len(r.buf)
	for i := int(seg.lo); i < int(seg.hi); i++ {
		c := &r.p.comps[i]
		var ok bool
		var err error
		if c.plain {
			ok, err = r.compare(string(append(r.buf[:n], c.rel...)), r.types[i], c)
			r.buf = r.buf[:n]
		} else {
			ok, err = r.matchReference(string(r.buf), c, 0)
		}
		if !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (r *resolver) compare(param string, t Type, c *comparison) (bool, error) {
	have, ok := r.t.Value(param)
	if !ok {
		return false, nil
	}
	return Compare(t, c.op, have, c.value)
}

// errStop ends a loop over targets that has found what it looked for.
var errStop = errors.New("path: stop")

// matchReference evaluates a comparison whose relative path follows references
// from object on; of a list (#*+) one target that satisfies it is enough.
func (r *resolver) matchReference(object string, c *comparison, i int) (bool, error) {
	path := object + c.segs[i].name
	for i++; i < len(c.segs); i++ {
		if c.segs[i].kind == segReference {
			found := false
			err := r.targets(path, c.segs[i].num, func(target string) error {
				ok, err := r.matchReference(target, c, i+1)
				if ok && err == nil {
					found, err = true, errStop
				}
				return err
			})
			if errors.Is(err, errStop) {
				err = nil
			}
			return found, err
		}
		path += "." + c.segs[i].name
	}
	t, ok := r.t.SupportedParam(Generic(path))
	if !ok {
		return false, nil
	}
	if err := r.checkLiteral(c, t); err != nil {
		return false, err
	}
	return r.compare(path, t, c)
}
