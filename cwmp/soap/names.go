// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap

import "strings"

// nextAttr splits the first attribute off attrs. The value is as written.
func nextAttr(attrs string) (name, value, rest string, ok bool) {
	i := 0
	for i < len(attrs) && isSpace(attrs[i]) {
		i++
	}
	attrs = attrs[i:]
	i = 0
	for i < len(attrs) && attrs[i] != '=' && !isSpace(attrs[i]) {
		i++
	}
	if i == 0 && attrs == "" {
		return "", "", "", false
	}
	name, rest = attrs[:i], trimLeft(attrs[i:])
	if rest == "" || rest[0] != '=' {
		return name, "", rest, true
	}
	rest = trimLeft(rest[1:])
	if rest == "" {
		return name, "", "", true
	}
	if q := rest[0]; q == '"' || q == '\'' {
		rest = rest[1:]
		if i = strings.IndexByte(rest, q); i < 0 {
			return name, rest, "", true
		}
		return name, rest[:i], rest[i+1:], true
	}
	i = 0
	for i < len(rest) && !isSpace(rest[i]) {
		i++
	}
	return name, rest[:i], rest[i:], true
}

// attr returns the value of the attribute with this local name in the start
// tag that was read last.
func (sc *scanner) attr(local string) string {
	const usual = ` xsi:type="`
	if rest, ok := strings.CutPrefix(sc.attrs, usual); ok && local == "type" {
		if value, _, ok := strings.Cut(rest, `"`); ok {
			return value
		}
	}
	for rest := sc.attrs; ; {
		name, value, next, ok := nextAttr(rest)
		if !ok {
			return ""
		}
		if localName(name) == local {
			return value
		}
		rest = next
	}
}

func localName(name string) string { return name[strings.LastIndexByte(name, ':')+1:] }

var endsName = [256]bool{
	' ': true, '\t': true, '\n': true, '\r': true, '/': true, '>': true, '<': true, '"': true, '\'': true,
}

func isNameStart(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c == ':' || c >= 0x80
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

func trimLeft(s string) string {
	for s != "" && isSpace(s[0]) {
		s = s[1:]
	}
	return s
}

func trimRight(s string) string {
	for s != "" && isSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

// trimSpace removes the four blanks of XML at both ends, and no others.
func trimSpace(s string) string { return trimRight(trimLeft(s)) }
