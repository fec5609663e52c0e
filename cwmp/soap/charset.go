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

// charset is how the bytes of a document are to be read: by enc, as
// ISO-8859-1, or else as UTF-8 and, where they are not, as ISO-8859-1. The
// first skip bytes are a byte order mark.
type charset struct {
	enc    encoding.Encoding
	latin1 bool
	skip   int
}

// charsetOf returns the encoding of the document that begins with head. It is
// that of a byte order mark, of the Content-Type, of the XML declaration, or
// UTF-8, in this order; what claims to be UTF-8 and is not is ISO-8859-1
// [quirk 17]. A charset that nobody knows is as none.
func charsetOf(head []byte, contentType string) charset {
	switch {
	case bytes.HasPrefix(head, []byte("\xEF\xBB\xBF")):
		return charset{skip: 3}
	case bytes.HasPrefix(head, []byte("\xFF\xFE")), bytes.HasPrefix(head, []byte("\xFE\xFF")):
		return charset{enc: unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)}
	}
	label := ""
	if contentType != "" {
		label = charsetParam(contentType)
	}
	if label == "" {
		label = xmlEncoding(head)
	}
	switch label = strings.ToLower(label); label {
	case "", "utf-8", "utf8":
		return charset{}
	case "iso-8859-1", "iso8859-1", "latin1", "latin-1", "us-ascii", "ascii":
		return charset{latin1: true}
	}
	enc, err := htmlindex.Get(label)
	if err != nil || strings.HasPrefix(label, "utf-16") && bytes.IndexByte(head[:min(len(head), 4)], 0) < 0 {
		return charset{} // UTF-16 cannot be, because the label was readable, or the text is
	}
	return charset{enc: enc}
}

// toUTF8 returns the whole document in UTF-8 without its byte order mark, and
// whether that is b itself.
func toUTF8(b []byte, contentType string) (s string, shared bool) {
	cs := charsetOf(b, contentType)
	b = b[cs.skip:]
	switch {
	case cs.enc != nil:
		return transcode(b, cs.enc), false
	case cs.latin1 || !utf8.Valid(b):
		return latin1(b), false
	default:
		return view(b), true
	}
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
