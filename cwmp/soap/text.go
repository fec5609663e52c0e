// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap

import (
	"cmp"
	"errors"
	"strings"
	"unicode/utf8"
)

// trim says which blanks around a text are not part of it [quirk 15].
type trim uint8

const (
	// trimAll: none are; names, codes, numbers, booleans, times.
	trimAll trim = iota
	// trimPretty: all are if the text begins with a line break, because then a
	// pretty-printer has been there; keys, strings.
	trimPretty
)

// text returns the character data of the innermost open element and closes it.
// Children are passed over.
func (sc *scanner) text(t trim) (s string, err error) {
	if sc.src == nil || sc.whole {
		return sc.readText(t)
	}
	sc.whole = true
	for {
		at := sc.mark()
		s, err = sc.readText(t)
		if again, lost := sc.again(at); !again {
			sc.whole = false
			return s, cmp.Or(lost, err)
		}
	}
}

func (sc *scanner) readText(t trim) (string, error) {
	sc.began = sc.pos
	if sc.empty {
		sc.empty = false
		sc.pop()
		return "", nil
	}
	start := sc.pos
	i := strings.IndexByte(sc.s[start:], '<')
	if i < 0 {
		return "", sc.cut()
	}
	sc.pos += i
	if sc.after() != '/' {
		sc.pos = start
		return sc.mixedText(t)
	}
	if err := sc.endTag(); err != nil {
		return "", err
	}
	raw := sc.s[start : start+i]
	if t == trimAll || raw != "" && (raw[0] == '\n' || raw[0] == '\r') {
		raw = trimSpace(raw)
	}
	kept := sc.texts
	if !isPlain(raw) {
		sc.scratch = sc.appendText(sc.scratch[:0], raw, true)
		raw, kept = view(sc.scratch), &sc.made
	}
	if len(raw) > sc.maxValue {
		return "", sc.limit("value too long")
	}
	if t == trimAll {
		raw = trimSpace(raw) // blanks that were written as references
	}
	return kept.copy(raw), nil
}

// mixedText is text for an element with more in it than one piece of text:
// CDATA sections, comments, children, a bare '<'.
func (sc *scanner) mixedText(t trim) (string, error) {
	first := sc.s[sc.pos]
	trimmed := t == trimAll || first == '\n' || first == '\r'
	var b []byte
	keep := 0 // what lies before is text, whatever it looks like
	for {
		if len(b) > sc.maxValue {
			return "", sc.limit("value too long")
		}
		i := strings.IndexByte(sc.s[sc.pos:], '<')
		if i < 0 {
			return "", sc.cut()
		}
		seg := sc.s[sc.pos : sc.pos+i]
		if trimmed && len(b) == 0 {
			seg = trimLeft(seg)
		}
		if body := trimRight(seg); body != "" {
			b = sc.appendText(b, body, true)
			keep = len(b)
			seg = seg[len(body):]
		}
		b = sc.appendText(b, seg, true)
		sc.pos += i
		cdata := strings.HasPrefix(sc.s[sc.pos:], "<!")
		lit, end, err := sc.inText()
		if err != nil {
			return "", err
		}
		if lit != "" {
			b = sc.appendText(b, lit, !cdata)
			keep = len(b)
		}
		if end {
			break
		}
	}
	if trimmed {
		b = b[:keep]
	}
	if len(b) > sc.maxValue {
		return "", sc.limit("value too long")
	}
	if t == trimAll {
		return trimSpace(string(b)), nil
	}
	return string(b), nil
}

// inText handles the '<' at pos inside a text. It returns what of it is
// literal text, and whether the element has ended.
func (sc *scanner) inText() (literal string, end bool, err error) {
	start, depth := sc.pos, len(sc.open)
	switch sc.after() {
	case '/':
		return "", true, sc.endTag()
	case '!', '?':
		literal, err = sc.markup()
		return literal, false, err
	}
	_, ok, err := sc.startTag()
	if err != nil {
		return "", false, err
	}
	if !ok {
		sc.pos++
		return "<", false, nil // [quirk 18]
	}
	err = sc.skip()
	var m *mismatch
	if errors.As(err, &m) && m.name == sc.open[depth-1] {
		// The text's own element ends before what looked like a child does:
		// an unescaped '<' in a name or key [quirk 18].
		sc.open, sc.pos = sc.open[:depth], m.offset
		return sc.s[start:m.offset], false, nil
	}
	return "", false, err
}

// special marks the bytes that appendText must look at: control characters,
// line ends to be normalised, references, and the first byte of U+FFFE and
// U+FFFF.
var special = func() (t [256]bool) {
	for c := range 0x20 {
		t[c] = c != '\t' && c != '\n'
	}
	t['&'], t[0xEF] = true, true
	return t
}()

// isPlain reports whether s has no special bytes.
func isPlain(s string) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; len(s) >= 8; s = s[8:] {
		// Eight bytes at a time; a tab or line feed may be reported too.
		x := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
		amp, ef := x^(ones*'&'), x^(ones*0xEF)
		if ((x-ones*0x20)&^x|(amp-ones)&^amp|(ef-ones)&^ef)&highs != 0 {
			break
		}
	}
	for i := range len(s) {
		if special[s[i]] {
			return false
		}
	}
	return true
}

// appendText appends the characters that the XML text s stands for. Line ends
// become \n; characters that XML cannot hold become U+FFFD [quirk 16]. With
// refs, references are resolved; an ampersand that begins none is itself
// [quirk 18]. It stops when b is longer than a value may be.
func (sc *scanner) appendText(b []byte, s string, refs bool) []byte {
	for i := 0; i < len(s) && len(b) <= sc.maxValue; {
		c := s[i]
		if !special[c] {
			j := i + 1
			for j < len(s) && !special[s[j]] {
				j++
			}
			b = append(b, s[i:j]...)
			i = j
			continue
		}
		switch {
		case c == '\r':
			b = append(b, '\n')
			if i+1 < len(s) && s[i+1] == '\n' {
				i++
			}
		case c == '&' && refs:
			r, n := reference(s[i:])
			b = utf8.AppendRune(b, r)
			i += n - 1
		case c == '&':
			b = append(b, c)
		case c == 0xEF:
			r, n := utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, xmlRune(r))
			i += n - 1
		default:
			b = utf8.AppendRune(b, utf8.RuneError)
		}
		i++
	}
	return b
}

// reference resolves the reference at the beginning of s, which begins with
// '&', and returns its length. What is no reference is an ampersand.
func reference(s string) (r rune, n int) {
	const longest = 16 // "&#x0000010FFFF;" and some zeros
	end := strings.IndexByte(s[:min(len(s), longest)], ';')
	if end < 0 {
		return '&', 1
	}
	switch name := s[1:end]; name {
	case "lt":
		return '<', end + 1
	case "gt":
		return '>', end + 1
	case "amp":
		return '&', end + 1
	case "quot":
		return '"', end + 1
	case "apos":
		return '\'', end + 1
	default:
		if r, ok := number(name); ok {
			return r, end + 1
		}
		return '&', 1
	}
}

// number reads "#38" or "#x26".
func number(name string) (r rune, ok bool) {
	if len(name) < 2 || name[0] != '#' {
		return 0, false
	}
	digits, base := name[1:], rune(10)
	if digits[0] == 'x' {
		digits, base = digits[1:], 16
	}
	for i := range len(digits) {
		d := rune(16)
		switch c := digits[i]; {
		case '0' <= c && c <= '9':
			d = rune(c - '0')
		case 'a' <= c && c <= 'f':
			d = rune(c-'a') + 10
		case 'A' <= c && c <= 'F':
			d = rune(c-'A') + 10
		}
		if d >= base {
			return 0, false
		}
		r = min(r*base+d, utf8.MaxRune+1)
	}
	return xmlRune(r), digits != ""
}

// xmlRune returns r, or U+FFFD if XML 1.0 has no such character.
func xmlRune(r rune) rune {
	switch {
	case r == '\t' || r == '\n' || r == '\r':
		return r
	case r < 0x20, 0xD800 <= r && r < 0xE000, r == 0xFFFE, r == 0xFFFF, r > utf8.MaxRune:
		return utf8.RuneError
	default:
		return r
	}
}
