// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap

import (
	"strconv"
	"unicode/utf8"
)

// writer appends elements. Names of elements are constants and are not
// escaped.
type writer struct {
	b     []byte
	style Style
}

func (w *writer) raw(s string)   { w.b = append(w.b, s...) }
func (w *writer) open(n string)  { w.b = append(append(append(w.b, '<'), n...), '>') }
func (w *writer) close(n string) { w.b = append(append(append(w.b, "</"...), n...), '>') }

func (w *writer) text(n, s string) {
	w.open(n)
	w.b = appendEscaped(w.b, s)
	w.close(n)
}

// textIf is text for an element that is left out where it is empty.
func (w *writer) textIf(n, s string) {
	if s != "" {
		w.text(n, s)
	}
}

func (w *writer) int(n string, v int) {
	w.open(n)
	w.b = strconv.AppendInt(w.b, int64(v), 10)
	w.close(n)
}

func (w *writer) uint32(n string, v uint32) {
	w.open(n)
	w.b = strconv.AppendUint(w.b, uint64(v), 10)
	w.close(n)
}

func (w *writer) bool(n string, v bool) {
	w.open(n)
	w.raw(w.style.bool(v))
	w.close(n)
}

// time writes a dateTime; the unknown time where there is none, because the
// element must be there and must be one [TR-069 A.2.2].
func (w *writer) time(n, s string) {
	if s == "" {
		s = "0001-01-01T00:00:00Z"
	}
	w.text(n, s)
}

// openArray writes the start tag of an array of count entries, exactly counted
// because CPE allocate by it.
func (w *writer) openArray(n, of string, count int) {
	w.b = append(append(w.b, '<'), n...)
	w.b = append(append(w.b, " soap-enc:arrayType=\""...), of...)
	w.b = strconv.AppendInt(append(w.b, '['), int64(count), 10)
	w.b = append(w.b, "]\">"...)
}

func (w *writer) strings(n string, list []string) {
	w.openArray(n, "xsd:string", len(list))
	for _, s := range list {
		w.text("string", s)
	}
	w.close(n)
}

var escapes = func() (t [256]bool) {
	for c := range 0x20 {
		t[c] = c != '\t'
	}
	for c := range 0x80 {
		t[0x80+c] = true
	}
	t['&'], t['<'], t['>'] = true, true, true
	return t
}()

// appendEscaped appends s so that a reader gets it back as it is: a carriage
// return and a line feed at the beginning are written as references. What XML
// 1.0 cannot hold becomes U+FFFD; leaving it out would join what it parts.
func appendEscaped(b []byte, s string) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		if !escapes[c] {
			j := i + 1
			for j < len(s) && !escapes[s[j]] {
				j++
			}
			b = append(b, s[i:j]...)
			i = j
			continue
		}
		n := 1
		switch {
		case c == '&':
			b = append(b, "&amp;"...)
		case c == '<':
			b = append(b, "&lt;"...)
		case c == '>':
			b = append(b, "&gt;"...)
		case c == '\r':
			b = append(b, "&#13;"...)
		case c == '\n' && i == 0:
			b = append(b, "&#10;"...)
		default:
			var r rune
			r, n = utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, xmlRune(r))
		}
		i += n
	}
	return b
}

// isXML reports whether appendEscaped would write s as it is.
func isXML(s string) bool {
	for _, r := range s {
		if r == utf8.RuneError || xmlRune(r) != r {
			return false
		}
	}
	return true
}
