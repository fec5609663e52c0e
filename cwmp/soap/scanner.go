// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap

import (
	"cmp"
	"fmt"
	"strings"
)

// scanner walks the elements of one document without copying: names and
// attributes are substrings of s, and so are texts, unless references had to be
// resolved in them. It knows nothing of CWMP.
//
// The work is linear in len(s) and the memory bounded by maxDepth whatever s
// holds.
type scanner struct {
	s        string
	pos      int
	maxDepth int
	maxValue int
	// open holds the names, as written, of the elements around pos.
	open []string
	// attrs is the attribute text of the start tag that was read last.
	attrs string
	// empty is true after the start tag of an empty element until its end has
	// been reported.
	empty bool
	// plain holds, for some elements by their depth and first letter, the name
	// and local name of the last one without attributes: entries of lists are
	// all alike.
	plain [16][2]string
	// began is where the text that was read last begins.
	began int
	// scratch is the memory of texts that are put together; made holds them
	// then.
	scratch []byte
	made    copies
	// texts holds the other texts if s is not ours to keep; nil: they are
	// substrings of s.
	texts *copies
	// short is true once something has looked for more than s has.
	short bool
	window
}

// mismatch is an end tag that does not close the innermost element.
type mismatch struct {
	name, open string
	offset     int   // in s
	base       int64 // of s
}

func (m *mismatch) Error() string {
	return fmt.Sprintf("%v: offset %d: </%.64s> closes <%.64s>", ErrMalformed, m.base+int64(m.offset), m.name, m.open)
}

func (m *mismatch) Unwrap() error { return ErrMalformed }

// own makes m independent of the document.
func (m *mismatch) own() {
	const most = 256 // bytes, of which 64 characters are printed
	m.name = strings.Clone(m.name[:min(len(m.name), most)])
	m.open = strings.Clone(m.open[:min(len(m.open), most)])
}

func (sc *scanner) malformed(what string) error {
	return fmt.Errorf("%w: offset %d: %s", ErrMalformed, sc.base+int64(sc.pos), what)
}

func (sc *scanner) limit(what string) error {
	return fmt.Errorf("%w: offset %d: %s", ErrLimit, sc.base+int64(sc.pos), what)
}

// root goes to the start tag of the document element and returns its local
// name. Blanks, NUL bytes, comments and processing instructions may come
// first [quirk 19].
func (sc *scanner) root() (name string, err error) {
	if sc.src == nil {
		return sc.readRoot()
	}
	for {
		at := sc.mark()
		name, err = sc.readRoot()
		if again, lost := sc.again(at); !again {
			return name, cmp.Or(lost, err)
		}
	}
}

func (sc *scanner) readRoot() (string, error) {
	for {
		for sc.pos < len(sc.s) && (isSpace(sc.s[sc.pos]) || sc.s[sc.pos] == 0) {
			sc.pos++
		}
		if sc.pos >= len(sc.s) {
			sc.short = true
			return "", sc.malformed("no element")
		}
		if sc.s[sc.pos] != '<' {
			return "", sc.malformed("text before the first element")
		}
		switch sc.after() {
		case '!', '?':
			if _, err := sc.markup(); err != nil {
				return "", err
			}
		default:
			name, ok, err := sc.startTag()
			if err == nil && !ok {
				err = sc.malformed("no element")
			}
			return name, err
		}
	}
}

// child goes to the next child of the innermost open element and enters it. It
// returns false when there is none left; the element is closed then.
func (sc *scanner) child() (name string, ok bool, err error) {
	if sc.src == nil || sc.whole {
		return sc.readChild()
	}
	for {
		at := sc.mark()
		name, ok, err = sc.readChild()
		if again, lost := sc.again(at); !again {
			return name, ok, cmp.Or(lost, err)
		}
	}
}

func (sc *scanner) readChild() (name string, ok bool, err error) {
	if sc.empty {
		sc.empty = false
		sc.pop()
		return "", false, nil
	}
	for {
		if !sc.toTag() {
			return "", false, sc.cut()
		}
		switch sc.after() {
		case '/':
			return "", false, sc.endTag()
		case '!', '?':
			if _, err := sc.markup(); err != nil {
				return "", false, err
			}
		default:
			name, ok, err := sc.startTag()
			if ok || err != nil {
				return name, ok, err
			}
			sc.pos++ // a bare '<' [quirk 18]
		}
	}
}

// toTag goes to the next '<', and returns false if there is none.
func (sc *scanner) toTag() bool {
	s, i := sc.s, sc.pos
	for i < len(s) && isSpace(s[i]) { // as a rule, there is nothing else
		i++
	}
	if i >= len(s) || s[i] != '<' {
		n := strings.IndexByte(s[i:], '<')
		if n < 0 {
			return false
		}
		i += n
	}
	sc.pos = i
	return true
}

// skip closes the innermost open element with all that is in it.
func (sc *scanner) skip() error {
	for depth := len(sc.open); len(sc.open) >= depth; {
		if _, _, err := sc.child(); err != nil {
			return err
		}
	}
	return nil
}

// each enters every child of the innermost open element, calls f with the
// local name, and closes the child if f has not done so.
func (sc *scanner) each(f func(name string) error) error {
	for {
		name, ok, err := sc.child()
		if err != nil || !ok {
			return err
		}
		depth := len(sc.open)
		if err := f(name); err != nil {
			return err
		}
		if len(sc.open) >= depth {
			if err := sc.skip(); err != nil {
				return err
			}
		}
	}
}

// after returns the byte behind the '<' at pos, 0 at the end.
func (sc *scanner) after() byte {
	if sc.pos+1 < len(sc.s) {
		return sc.s[sc.pos+1]
	}
	sc.short = true
	return 0
}

// cut goes to the end and says that the document ends too early.
func (sc *scanner) cut() error {
	sc.pos, sc.short = len(sc.s), true
	if len(sc.open) == 0 {
		return sc.malformed("unexpected end")
	}
	return sc.malformed(fmt.Sprintf("unexpected end in <%.64s>", sc.open[len(sc.open)-1]))
}

func (sc *scanner) pop() {
	sc.open = sc.open[:len(sc.open)-1]
	sc.owned = min(sc.owned, len(sc.open))
}

// startTag reads the start tag at pos. It returns false, and leaves pos, if
// the '<' there does not begin one: no name follows, or another '<' comes
// before the '>' that must close it.
func (sc *scanner) startTag() (name string, ok bool, err error) {
	s, i := sc.s, sc.pos+1
	if i >= len(s) || !isNameStart(s[i]) {
		return "", false, nil
	}
	// As a rule, the tag is that of the entry before.
	known := &sc.plain[(len(sc.open)<<1|int(s[i]>>3&1))&(len(sc.plain)-1)]
	if raw := known[0]; len(s)-i > len(raw) && s[i+len(raw)] == '>' && s[i:i+len(raw)] == raw && raw != "" {
		if len(sc.open) >= sc.maxDepth {
			return "", false, sc.limit("elements nested too deep")
		}
		sc.open = append(sc.open, raw)
		sc.attrs, sc.pos = "", i+len(raw)+1
		return known[1], true, nil
	}
	colon := i
	for i < len(s) && !endsName[s[i]] {
		if s[i] == ':' {
			colon = i + 1
		}
		i++
	}
	raw, local := s[sc.pos+1:i], s[colon:i]
	end := tagEnd(s, i)
	if end < 0 || local == "" {
		sc.short = sc.short || end < 0 && strings.IndexByte(s[i:], '<') < 0
		return "", false, nil
	}
	if len(sc.open) >= sc.maxDepth {
		return "", false, sc.limit("elements nested too deep")
	}
	sc.open = append(sc.open, raw)
	sc.attrs, sc.pos = s[i:end], end+1
	switch {
	case end == i:
		*known = [2]string{raw, local}
	case s[end-1] == '/':
		sc.attrs, sc.empty = s[i:end-1], true
	}
	return local, true, nil
}

// tagEnd returns the index of the '>' that closes the tag whose attributes
// begin at i, -1 if there is none before the next '<'.
func tagEnd(s string, i int) int {
	var quote byte
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case c == '<':
			return -1
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '>':
			return i
		case c == '"' || c == '\'':
			quote = c
		}
	}
	return -1
}

// endTag reads the end tag at pos and closes the innermost open element.
// Prefixes need not agree.
func (sc *scanner) endTag() error {
	rest, top := sc.s[sc.pos+2:], sc.open[len(sc.open)-1]
	if len(rest) > len(top) && rest[len(top)] == '>' && rest[:len(top)] == top {
		sc.pos += len(top) + 3
		sc.pop()
		return nil
	}
	i := strings.IndexByte(rest, '>')
	if i < 0 {
		return sc.cut()
	}
	name := trimSpace(rest[:i])
	if name != top && localName(name) != localName(top) {
		return &mismatch{name: name, open: top, offset: sc.pos, base: sc.base}
	}
	sc.pos += i + 3
	sc.pop()
	return nil
}

// markup passes over the comment, CDATA section or processing instruction at
// pos and returns the text of a CDATA section. Document type declarations are
// refused: nothing in SOAP needs them, and they define entities.
func (sc *scanner) markup() (cdata string, err error) {
	const comment, section = "<!--", "<![CDATA["
	begin, end := "<?", "?>"
	rest := sc.s[sc.pos:]
	sc.short = sc.short || len(rest) < len(section)
	switch {
	case strings.HasPrefix(rest, comment):
		begin, end = comment, "-->"
	case strings.HasPrefix(rest, section):
		begin, end = section, "]]>"
	case sc.after() == '!':
		return "", sc.malformed("document type declaration")
	}
	i := strings.Index(rest[len(begin):], end)
	if i < 0 {
		return "", sc.cut()
	}
	sc.pos += len(begin) + i + len(end)
	if begin == section {
		return rest[len(begin) : len(begin)+i], nil
	}
	return "", nil
}
