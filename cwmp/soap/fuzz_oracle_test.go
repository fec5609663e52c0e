// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/soap"
	"github.com/uspgate/uspgate/cwmp/trace"
)

// FuzzOracle asserts that every document which is as cwmp.xsd says, in any
// order and with anything left out, is read as encoding/xml reads it into the
// types that gowsdl made of the schema.
func FuzzOracle(f *testing.F) {
	for _, v := range stackVectors() {
		for _, s := range stacks() {
			head := s.head
			if _, rest, ok := strings.Cut(head, "?>"); ok {
				head = rest
			}
			f.Add([]byte(head + strings.ReplaceAll(v.body, "cwmp:", s.prefix) + strings.TrimRight(s.tail, "\x00")))
		}
	}
	for _, v := range vectors() {
		doc, err := soap.Append(nil, &v.env)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(doc)
	}
	lim := soap.Limits{MaxBytes: 1 << 16, MaxDepth: 16, MaxParams: 200, MaxName: 1000, MaxValue: 5000}
	f.Fuzz(func(t *testing.T, doc []byte) {
		want := asOracleReads(t, doc)
		if want == nil {
			return
		}
		env, err := soap.DecodeBytes(doc, "", lim)
		if errors.Is(err, soap.ErrLimit) {
			return
		}
		if err != nil {
			t.Fatalf("got %v, encoding/xml reads it", err)
		}
		if f, ok := want.(*cwmp.Fault); ok && (f.Code == 0 || f.Text == "") {
			return // what SOAP says about the fault counts then
		}
		got, want := env.Body, want
		normalise(reflect.ValueOf(got))
		normalise(reflect.ValueOf(want))
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got\n%s\n%#v\nthe oracle\n%s\n%#v", trace.Message(got), got, trace.Message(want), want)
		}
	})
}

// inTag finds a reference in a tag: attributes are taken as they are written.
var inTag = regexp.MustCompile(`<[^<>]*&[^<>]*>`)

// asOracleReads returns the message in doc, or nil if encoding/xml does not
// read it or doc is not what the schema says.
func asOracleReads(t *testing.T, doc []byte) cwmp.Message {
	t.Helper()
	if bytes.Contains(doc, []byte("<!")) || !blankProlog(doc) || inTag.Match(doc) || !utf8.Valid(doc) {
		return nil
	}
	root, err := parseStrict(doc)
	if err != nil || root.name.Local != "Envelope" || !regular(root, 1) {
		return nil
	}
	s, err := cwmpSchema()
	if err != nil {
		t.Fatal(err)
	}
	if !s.conforms(root) {
		return nil
	}
	var o oracleEnvelope
	if err := xml.Unmarshal(doc, &o); err != nil {
		return nil
	}
	return o.Body.message()
}

// conforms reports whether the envelope has a message of the schema, and
// nothing twice that may be there once.
func (s *schema) conforms(root *node) bool {
	var rpc *node
	for _, part := range root.children {
		if part.name.Local == "Header" {
			continue
		}
		if part.name.Local != "Body" || rpc != nil || len(part.children) != 1 {
			return false
		}
		rpc = part.children[0]
	}
	if rpc == nil {
		return false
	}
	if rpc.child("detail") != nil && rpc.name.Local == "Fault" {
		if !once(rpc) || len(rpc.child("detail").children) != 1 || rpc.child("detail").children[0].name.Local != "Fault" {
			return false
		}
		rpc = rpc.child("detail").children[0]
	} else if rpc.name.Local == "Fault" {
		return false
	}
	e, ok := s.element(rpc.name.Local)
	return ok && s.conformsTo(rpc, s.typeOf(e))
}

// once reports whether the children are leaves, but for detail, and there once.
func once(fault *node) bool {
	seen := map[string]bool{}
	for _, c := range fault.children {
		if seen[c.name.Local] || c.name.Local != "detail" && len(c.children) > 0 || c.name.Local == "Fault" ||
			strings.HasPrefix(c.name.Local, "FaultC") || strings.HasPrefix(c.name.Local, "FaultS") {
			return false
		}
		seen[c.name.Local] = true
	}
	return true
}

// lexical are the texts that both readers take for the same, by type.
var lexical = map[string]*regexp.Regexp{
	"xs:boolean":     regexp.MustCompile(`^[ \t\r\n]*(0|1|true|false)[ \t\r\n]*$`),
	"xs:int":         regexp.MustCompile(`^[ \t\r\n]*-?[0-9]{1,9}[ \t\r\n]*$`),
	"xs:unsignedInt": regexp.MustCompile(`^[ \t\r\n]*[0-9]{1,9}[ \t\r\n]*$`),
}

func (s *schema) conformsTo(n *node, typ *schemaType) bool {
	if !attributesConform(n, typ) {
		return false
	}
	if len(typ.Sequence) == 0 && strings.HasSuffix(n.name.Local, "Value") {
		return len(n.children) == 0
	}
	for _, c := range n.children {
		var want *schemaElement
		count := 0
		for i := range typ.Sequence {
			if typ.Sequence[i].Name == c.name.Local {
				want = &typ.Sequence[i]
			}
		}
		for _, other := range n.children {
			if other.name.Local == c.name.Local {
				count++
			}
		}
		if want == nil || count > 1 && want.MaxOccurs == "" {
			return false
		}
		if sub := s.typeOf(*want); sub != nil {
			if !s.conformsTo(c, sub) {
				return false
			}
			continue
		}
		re := lexical[want.Type]
		if want.Name == "Writable" {
			re = lexical["xs:boolean"]
		}
		if len(c.children) > 0 || re != nil && !re.MatchString(c.text) {
			return false
		}
	}
	return true
}

var knownType = regexp.MustCompile(`^[\w-]+:(\w*)$`)

// attributesConform reports whether the attributes that have a meaning are
// where they have one, once.
func attributesConform(n *node, typ *schemaType) bool {
	types := 0
	for _, a := range n.attrs {
		if strings.Contains(a.Name.Local, ":") {
			return false
		}
		switch a.Name.Local {
		case "arrayType":
			if len(typ.Attr) == 0 || typ.Attr[0].Name != "arrayType" {
				return false
			}
		case "type":
			types++
			local := knownType.FindStringSubmatch(a.Value)
			if local == nil || a.Name.Space == "xmlns" || n.name.Local == "Operations" && !kinds[local[1]] {
				return false
			}
		}
	}
	return types <= 1
}

var kinds = map[string]bool{"InstallOpStruct": true, "UpdateOpStruct": true, "UninstallOpStruct": true}

// normalise takes away what the two readers differ about on purpose: blanks
// around texts, dots before names, whether a Value was there.
func normalise(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		normalise(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Name == "NoValue" {
				v.Field(i).SetBool(false)
				continue
			}
			normalise(v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			normalise(v.Index(i))
		}
	case reflect.String:
		v.SetString(strings.TrimRight(strings.TrimLeft(v.String(), ". \t\r\n"), " \t\r\n"))
	default:
	}
}
