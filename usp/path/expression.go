// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package path

import (
	"strconv"
	"strings"
)

// escape writes a string literal [R-ARC.7]: " and % are percent-encoded.
var escape = strings.NewReplacer(`"`, "%22", "%", "%25")

// Quote returns v as a string literal of a search expression, with its quotes.
func Quote(v string) string { return `"` + escape.Replace(v) + `"` }

// expression reads [comparison && comparison …].
func (x *parser) expression() (segment, error) {
	x.i++
	lo := len(x.p.comps)
	x.space()
	if x.peek() == ']' {
		return segment{}, x.fail("an expression is not empty")
	}
	for {
		if len(x.p.comps) == MaxComparisons {
			return segment{}, x.fail("more than " + strconv.Itoa(MaxComparisons) + " comparisons")
		}
		if err := x.comparison(); err != nil {
			return segment{}, err
		}
		x.space()
		if x.skip(']') {
			break
		}
		if !strings.HasPrefix(x.s[x.i:], "&&") {
			return segment{}, x.fail("want && or ]")
		}
		x.i += 2
		x.space()
	}
	return segment{kind: segExpression, lo: uint8(lo), hi: uint8(len(x.p.comps))}, nil
}

func (x *parser) space() {
	for x.peek() == ' ' || x.peek() == '\t' {
		x.i++
	}
}

func (x *parser) comparison() error {
	c, err := x.relative()
	if err != nil {
		return err
	}
	x.space()
	if c.op, err = x.operator(); err != nil {
		return err
	}
	x.space()
	if x.peek() == '"' {
		c.quoted = true
		c.value, err = x.quoted()
	} else {
		c.value, err = x.bare()
	}
	if err != nil {
		return err
	}
	x.p.comps = append(x.p.comps, c)
	return nil
}

// relative reads name ( reference? "." name )*, ending with a parameter.
func (x *parser) relative() (comparison, error) {
	c := comparison{plain: true}
	start := x.i
	for {
		name, err := x.name()
		if err != nil {
			return comparison{}, err
		}
		if len(c.segs) >= MaxSegments {
			return comparison{}, x.fail("more than " + strconv.Itoa(MaxSegments) + " parts")
		}
		c.segs = append(c.segs, segment{name: name})
		if b := x.peek(); b == '+' || b == '#' {
			seg, err := x.reference()
			if err != nil {
				return comparison{}, err
			}
			c.segs = append(c.segs, seg)
			c.plain = false
			if x.peek() != '.' {
				return comparison{}, x.fail("want a dot")
			}
		}
		if !x.skip('.') {
			break
		}
	}
	c.rel = x.s[start:x.i]
	if !c.plain {
		c.rel = renderRelative(c.segs)
	}
	return c, nil
}

func renderRelative(segs []segment) string {
	var b strings.Builder
	for i := range segs {
		if i > 0 && segs[i].kind == segName {
			b.WriteByte('.')
		}
		writeSegment(&b, &segs[i])
	}
	return b.String()
}

func (x *parser) operator() (Op, error) {
	rest := x.s[x.i:]
	for _, op := range [...]Op{Equal, NotEqual, Contains, LessEqual, GreaterEqual, LessThan, GreaterThan} {
		if text := op.String(); strings.HasPrefix(rest, text) {
			x.i += len(text)
			return op, nil
		}
	}
	return 0, x.fail("want one of == != ~= < > <= >=")
}

// quoted reads a string literal. Only %22 and %25 are escapes; any other % is
// an error rather than a guess, because a search that silently matches nothing
// helps nobody.
func (x *parser) quoted() (string, error) {
	x.i++
	end := strings.IndexByte(x.s[x.i:], '"')
	if end < 0 {
		return "", x.fail("the string has no closing quote")
	}
	raw := x.s[x.i : x.i+end]
	if strings.IndexByte(raw, '%') < 0 {
		x.i += end + 1
		return raw, nil
	}
	var b strings.Builder
	b.Grow(len(raw))
	for j := 0; j < len(raw); j++ {
		switch {
		case raw[j] != '%':
			b.WriteByte(raw[j])
		case strings.HasPrefix(raw[j:], "%22"):
			b.WriteByte('"')
			j += 2
		case strings.HasPrefix(raw[j:], "%25"):
			b.WriteByte('%')
			j += 2
		default:
			x.i += j
			return "", x.fail(`in a string % is written %25 and " is written %22`)
		}
	}
	x.i += end + 1
	return b.String(), nil
}

// bare reads a literal without quotes: a number, a boolean or a dateTime. The
// formal grammar has only the number; text and examples have all of them.
func (x *parser) bare() (string, error) {
	start := x.i
	for x.i < len(x.s) && isBare(x.s[x.i]) {
		x.i++
	}
	if x.i == start {
		return "", x.fail("want a value")
	}
	return x.s[start:x.i], nil
}

func isBare(c byte) bool {
	return isNameStart(c) || isDigit(c) || c == '.' || c == ':' || c == '+' || c == '-'
}
