// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// condOp is how a condition looks at a value.
type condOp uint8

const (
	condEqual   condOp = iota // one of vals
	condNot                   // none of vals, or the parameter does not exist
	condAbsent                // the parameter does not exist
	condPresent               // it does
	condRange                 // an integer from lo to hi
	condLike                  // a regular expression
)

// cond is one condition on a CPE parameter. A path that names several holds if
// it holds for one of them; $key is the row's group key.
type cond struct {
	path   srcPath
	isKey  bool
	op     condOp
	vals   []string
	lo, hi int64
	re     *regexp.Regexp
}

// condSet holds if all conditions of one of its lines hold; an empty one holds.
type condSet [][]cond

// truth is the outcome of a condition.
type truth uint8

const (
	isFalse truth = iota
	isUnknown
	isTrue
)

// parseConds reads a mapping of conditions, or a list of such: one suffices.
func parseConds(y yval) (condSet, error) {
	lines := []yval{y}
	if y.isList() {
		var err error
		if lines, err = y.items(); err != nil {
			return nil, err
		}
	}
	var set condSet
	for _, line := range lines {
		var all []cond
		err := line.each(func(key string, k, v yval) error {
			c, err := parseCond(k, key, v)
			all = append(all, c)
			return err
		})
		if err != nil {
			return nil, err
		}
		if len(all) == 0 {
			return nil, line.errf("a condition is empty")
		}
		set = append(set, all)
	}
	return set, nil
}

func parseCond(k yval, key string, v yval) (c cond, err error) {
	if key == "$key" {
		c.isKey = true
	} else if c.path, err = parseSrcPath(k, key); err != nil {
		return c, err
	}
	switch {
	case v.isNull():
		c.op = condAbsent
		return c, nil
	case !v.isMap():
		c.vals, err = v.strs()
		return c, err
	}
	c.lo, c.hi = -1<<63, 1<<63-1
	err = v.fields(map[string]func(yval) error{
		"not": func(v yval) error { c.op = condNot; return intoStrs(&c.vals)(v) },
		"present": func(v yval) error {
			present, err := v.flag()
			c.op = condAbsent
			if present {
				c.op = condPresent
			}
			return err
		},
		"min": func(v yval) error { c.op = condRange; return intoInt(&c.lo)(v) },
		"max": func(v yval) error { c.op = condRange; return intoInt(&c.hi)(v) },
		"like": func(v yval) error {
			s, err := v.str()
			if err != nil {
				return err
			}
			c.op = condLike
			if c.re, err = regexp.Compile(s); err != nil {
				return v.errf("%v", err)
			}
			return nil
		},
	})
	return c, err
}

func intoInt(dst *int64) func(yval) error {
	return func(v yval) error {
		s, err := v.str()
		if err != nil {
			return err
		}
		if *dst, err = strconv.ParseInt(s, 10, 64); err != nil {
			return v.errf("%q is not a number", s)
		}
		return nil
	}
}

// eval says whether the set holds for a source object.
func (s condSet) eval(root, base *node, key string) truth {
	if len(s) == 0 {
		return isTrue
	}
	best := isFalse
	for _, line := range s {
		t := isTrue
		for i := range line {
			t = min(t, line[i].eval(root, base, key))
		}
		best = max(best, t)
	}
	return best
}

func (c *cond) eval(root, base *node, key string) truth {
	if c.isKey {
		return c.check(key)
	}
	var buf [4]*node
	found := c.path.find(root, base, buf[:0])
	switch c.op {
	case condAbsent:
		return truthOf(len(found) == 0)
	case condPresent:
		return truthOf(len(found) > 0)
	default:
	}
	if len(found) == 0 {
		return truthOf(c.op == condNot && !c.path.many)
	}
	best := isFalse
	for _, n := range found {
		if !n.is(flagKnown) {
			best = max(best, isUnknown)
			continue
		}
		best = max(best, c.check(n.value))
	}
	return best
}

func truthOf(b bool) truth {
	if b {
		return isTrue
	}
	return isFalse
}

// check looks at one value.
func (c *cond) check(v string) truth {
	v = strings.TrimSpace(v)
	switch c.op {
	case condEqual:
		return truthOf(slices.ContainsFunc(c.vals, func(w string) bool { return sameText(v, w) }))
	case condNot:
		return truthOf(!slices.ContainsFunc(c.vals, func(w string) bool { return sameText(v, w) }))
	case condRange:
		i, err := strconv.ParseInt(v, 10, 64)
		return truthOf(err == nil && c.lo <= i && i <= c.hi)
	case condLike:
		return truthOf(c.re.MatchString(v))
	default:
		return isFalse
	}
}

// sameText compares as CPE mean it: without case, and booleans by value.
func sameText(have, want string) bool {
	if strings.EqualFold(have, want) {
		return true
	}
	return want == "true" && have == "1" || want == "false" && have == "0"
}

// nodes appends the parameters that the set looks at.
func (s condSet) nodes(root, base *node, out []*node) []*node {
	for _, line := range s {
		for i := range line {
			if !line[i].isKey {
				out = line[i].path.find(root, base, out)
			}
		}
	}
	return out
}
