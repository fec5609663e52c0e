// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package path

import (
	"math"
	"strconv"
	"strings"

	"github.com/uspgate/uspgate/usp"
)

// Bounds of a path; more is error 7008.
const (
	// MaxLength is the greatest length of a path in bytes.
	MaxLength = 1024
	// MaxSegments is the greatest number of names, instance identifiers and
	// references of a path, and of one relative path in an expression.
	MaxSegments = 32
	// MaxComparisons is the greatest number of comparisons of a path, over all
	// its search expressions.
	MaxComparisons = 16
)

// Parse parses an Object, Object Instance, Parameter, Command, Event or Search
// Path [R-ARC.7]. Whitespace round operators is tolerated [R-ARC.9a]. An error
// is a *usp.Error 7008 whose text names the position. Whether a literal fits
// the type of its parameter shows in Resolve.
func Parse(s string) (Path, error) { return parse(s, false) }

// ParseSupported parses a path of the supported data model, as GetSupportedDM
// takes it: {i} or instance numbers, but no search, and no number after {i}.
func ParseSupported(s string) (Path, error) { return parse(s, true) }

func parse(s string, supported bool) (Path, error) {
	x := parser{s: s, supported: supported}
	if len(s) > MaxLength {
		return Path{}, syntaxError(s, MaxLength, "the path is longer than "+strconv.Itoa(MaxLength)+" bytes")
	}
	x.p.segs = make([]segment, 0, min(strings.Count(s, ".")+1, MaxSegments))
	if err := x.path(); err != nil {
		return Path{}, err
	}
	x.p.s = s
	if x.p.search {
		x.p.s = x.p.render()
	}
	return x.p, nil
}

// parser reads s from left to right; i is the next byte.
type parser struct {
	s         string
	i         int
	p         Path
	supported bool
	sawAny    bool
}

func syntaxError(s string, at int, text string) error {
	const shown = 128
	if len(s) > shown {
		s = s[:shown] + "…"
	}
	return &usp.Error{
		Code: usp.CodeInvalidPathSyntax, Path: s,
		Text: "invalid path at character " + strconv.Itoa(at+1) + ": " + text,
	}
}

func (x *parser) fail(text string) error { return syntaxError(x.s, x.i, text) }

// peek returns the next byte, 0 at the end.
func (x *parser) peek() byte {
	if x.i < len(x.s) {
		return x.s[x.i]
	}
	return 0
}

func (x *parser) skip(c byte) bool {
	if x.i < len(x.s) && x.s[x.i] == c {
		x.i++
		return true
	}
	return false
}

func (x *parser) dot() error {
	if !x.skip('.') {
		return x.fail("want a dot")
	}
	if !x.p.search && !x.sawAny {
		x.p.static = uint16(x.i)
	}
	return nil
}

func (x *parser) add(seg segment) error {
	if len(x.p.segs) == MaxSegments {
		return x.fail("more than " + strconv.Itoa(MaxSegments) + " parts")
	}
	x.p.segs = append(x.p.segs, seg)
	return nil
}

// path reads everything: name "." and then names and instance identifiers.
func (x *parser) path() error {
	name, err := x.name()
	if err != nil {
		return err
	}
	if err := x.add(segment{name: name}); err != nil {
		return err
	}
	if err := x.dot(); err != nil {
		return err
	}
	for x.i < len(x.s) {
		var done bool
		if isNameStart(x.peek()) {
			done, err = x.nameStep()
		} else {
			err = x.instanceStep()
		}
		if err != nil || done {
			return err
		}
	}
	x.p.kind = Object
	if last := x.p.segs[len(x.p.segs)-1]; last.isInstance() || last.kind == segReference {
		x.p.kind = Instance
	}
	return nil
}

// nameStep reads a name and what may follow it; done means that the path ends
// there as a parameter, command or event.
func (x *parser) nameStep() (done bool, err error) {
	name, err := x.name()
	if err != nil {
		return false, err
	}
	if err := x.add(segment{name: name}); err != nil {
		return false, err
	}
	switch {
	case x.i == len(x.s):
		x.p.kind = Parameter
		return true, nil
	case x.s[x.i:] == "()":
		x.p.kind = Command
		return true, nil
	case x.s[x.i:] == "!":
		x.p.kind = Event
		return true, nil
	}
	if c := x.peek(); (c == '+' || c == '#') && !x.supported {
		seg, err := x.reference()
		if err != nil {
			return false, err
		}
		x.p.search = true
		if err := x.add(seg); err != nil {
			return false, err
		}
	}
	return false, x.dot()
}

// instanceStep reads an instance number, {i}, * or an expression, which only
// the name of a table can precede.
func (x *parser) instanceStep() error {
	n := len(x.p.segs)
	c := x.peek()
	switch c {
	case '*', '[', '{', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
	default:
		return x.fail("want a name, an instance number, * or [")
	}
	if n < 2 || x.p.segs[n-1].kind != segName {
		return x.fail("an instance identifier must follow the name of a table")
	}
	var seg segment
	var err error
	switch {
	case c == '{':
		seg, err = x.anyInstance()
	case isDigit(c):
		seg, err = x.number()
	case x.supported:
		return x.fail("no search in a path of the supported data model")
	case c == '*':
		x.i++
		x.p.search = true
		seg = segment{kind: segWildcard}
	default:
		x.p.search = true
		seg, err = x.expression()
	}
	if err != nil {
		return err
	}
	if err := x.add(seg); err != nil {
		return err
	}
	return x.dot()
}

func (x *parser) anyInstance() (segment, error) {
	if !x.supported {
		return segment{}, x.fail("{i} is for paths of the supported data model")
	}
	if !strings.HasPrefix(x.s[x.i:], "{i}") {
		return segment{}, x.fail("want {i}")
	}
	x.i += 3
	x.sawAny = true
	return segment{kind: segAny}, nil
}

func (x *parser) number() (segment, error) {
	if x.sawAny {
		return segment{}, x.fail("no instance number after {i}")
	}
	n, err := x.positive("an instance number")
	return segment{kind: segNumber, num: n}, err
}

// positive reads a number from 1 to 2^32-1 without leading zeros.
func (x *parser) positive(what string) (uint32, error) {
	if x.peek() == '0' {
		return 0, x.fail(what + " does not start with 0")
	}
	var n uint64
	start := x.i
	for isDigit(x.peek()) {
		n = n*10 + uint64(x.s[x.i]-'0')
		if n > math.MaxUint32 {
			return 0, x.fail(what + " is at most " + strconv.Itoa(math.MaxUint32))
		}
		x.i++
	}
	if x.i == start {
		return 0, x.fail("want " + what)
	}
	return uint32(n), nil
}

// reference reads + or #n+ or #*+.
func (x *parser) reference() (segment, error) {
	seg := segment{kind: segReference, num: 1}
	if x.skip('#') {
		if x.skip('*') {
			seg.num = 0
		} else {
			n, err := x.positive("the index of a reference")
			if err != nil {
				return segment{}, err
			}
			seg.num = n
		}
	}
	if !x.skip('+') {
		return segment{}, x.fail("want +")
	}
	return seg, nil
}

func (x *parser) name() (string, error) {
	if !isNameStart(x.peek()) {
		return "", x.fail("want a name")
	}
	start := x.i
	for x.i < len(x.s) && (isNameStart(x.s[x.i]) || isDigit(x.s[x.i])) {
		x.i++
	}
	return x.s[start:x.i], nil
}

func isNameStart(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
}

// render returns the canonical form of p.
func (p *Path) render() string {
	var b strings.Builder
	b.Grow(len(p.s) + 16)
	for i := range p.segs {
		if p.segs[i].kind == segExpression {
			p.renderExpression(&b, &p.segs[i])
		} else {
			writeSegment(&b, &p.segs[i])
		}
		if !p.lastOrReference(i) {
			b.WriteByte('.')
		}
	}
	b.WriteString(p.kind.suffix())
	return b.String()
}

func (p *Path) renderExpression(b *strings.Builder, seg *segment) {
	b.WriteByte('[')
	for i, c := range p.comps[seg.lo:seg.hi] {
		if i > 0 {
			b.WriteString("&&")
		}
		b.WriteString(c.rel)
		b.WriteString(c.op.String())
		if c.quoted {
			b.WriteByte('"')
			b.WriteString(escape.Replace(c.value))
			b.WriteByte('"')
		} else {
			b.WriteString(c.value)
		}
	}
	b.WriteByte(']')
}

func writeSegment(b *strings.Builder, seg *segment) {
	switch seg.kind {
	case segName:
		b.WriteString(seg.name)
	case segNumber:
		b.WriteString(strconv.FormatUint(uint64(seg.num), 10))
	case segAny:
		b.WriteString("{i}")
	case segWildcard:
		b.WriteByte('*')
	case segReference:
		switch seg.num {
		case 1:
			b.WriteByte('+')
		case 0:
			b.WriteString("#*+")
		default:
			b.WriteByte('#')
			b.WriteString(strconv.FormatUint(uint64(seg.num), 10))
			b.WriteByte('+')
		}
	case segExpression:
	}
}
