// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap

import (
	"bytes"
	"mime"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
)

// toUTF8 returns the document in UTF-8 without its byte order mark. The
// encoding is that of a byte order mark, of the Content-Type, of the XML
// declaration, or UTF-8, in this order; what claims to be UTF-8 and is not is
// ISO-8859-1 [quirk 17]. A charset that nobody knows is as none.
func toUTF8(b []byte, contentType string) string {
	switch {
	case bytes.HasPrefix(b, []byte("\xEF\xBB\xBF")):
		b = b[3:]
	case bytes.HasPrefix(b, []byte("\xFF\xFE")), bytes.HasPrefix(b, []byte("\xFE\xFF")):
		return transcode(b, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM))
	default:
		if s, ok := declared(b, contentType); ok {
			return s
		}
	}
	if utf8.Valid(b) {
		return string(b)
	}
	return latin1(b)
}

// declared converts b as the Content-Type or the XML declaration say, unless
// that is UTF-8.
func declared(b []byte, contentType string) (string, bool) {
	label := ""
	if contentType != "" {
		label = charsetParam(contentType)
	}
	if label == "" {
		label = xmlEncoding(b)
	}
	switch label = strings.ToLower(label); label {
	case "", "utf-8", "utf8":
		return "", false
	case "iso-8859-1", "iso8859-1", "latin1", "latin-1", "us-ascii", "ascii":
		return latin1(b), true
	}
	enc, err := htmlindex.Get(label)
	if err != nil {
		return "", false
	}
	if strings.HasPrefix(label, "utf-16") && bytes.IndexByte(b[:min(len(b), 4)], 0) < 0 {
		return "", false // the label was readable, or the text is: not UTF-16
	}
	return transcode(b, enc), true
}

// charsetParam returns the charset of a Content-Type, also of one that is not
// quite right.
func charsetParam(contentType string) string {
	if _, params, err := mime.ParseMediaType(contentType); err == nil {
		return strings.TrimSpace(params["charset"])
	}
	const key = "charset="
	i := strings.Index(strings.ToLower(contentType), key)
	if i < 0 || i+len(key) > len(contentType) {
		return ""
	}
	value, _, _ := strings.Cut(contentType[i+len(key):], ";")
	return strings.Trim(value, " \"'\t")
}

// xmlEncoding returns the encoding of the XML declaration.
func xmlEncoding(b []byte) string {
	const longest = 256
	b = bytes.TrimLeft(b[:min(len(b), longest)], " \t\r\n\x00")
	if !bytes.HasPrefix(b, []byte("<?xml")) {
		return ""
	}
	decl, _, ok := bytes.Cut(b, []byte("?>"))
	if !ok {
		return ""
	}
	for rest := string(decl[len("<?xml"):]); ; {
		name, value, next, ok := nextAttr(rest)
		if !ok {
			return ""
		}
		if name == "encoding" {
			return value
		}
		rest = next
	}
}

func transcode(b []byte, enc encoding.Encoding) string {
	out, err := enc.NewDecoder().Bytes(b)
	if err != nil {
		return latin1(b)
	}
	return string(out)
}

func latin1(b []byte) string {
	high := 0
	for _, c := range b {
		if c >= utf8.RuneSelf {
			high++
		}
	}
	if high == 0 {
		return string(b)
	}
	var s strings.Builder
	s.Grow(len(b) + high)
	for _, c := range b {
		s.WriteRune(rune(c))
	}
	return s.String()
}
