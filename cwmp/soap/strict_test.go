// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap_test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const (
	nsEnvelope = "http://schemas.xmlsoap.org/soap/envelope/"
	nsEncoding = "http://schemas.xmlsoap.org/soap/encoding/"
	nsXSD      = "http://www.w3.org/2001/XMLSchema"
	nsXSI      = "http://www.w3.org/2001/XMLSchema-instance"
)

// node is an element as encoding/xml sees it.
type node struct {
	name     xml.Name
	attrs    []xml.Attr
	text     string
	children []*node
}

func (n *node) child(local string) *node {
	for _, c := range n.children {
		if c.name.Local == local {
			return c
		}
	}
	return nil
}

func (n *node) attr(space, local string) (string, bool) {
	for _, a := range n.attrs {
		if a.Name.Space == space && a.Name.Local == local {
			return a.Value, true
		}
	}
	return "", false
}

// parseStrict reads the document element with encoding/xml in strict mode.
func parseStrict(doc []byte) (*node, error) {
	d := xml.NewDecoder(bytes.NewReader(doc))
	var open []*node
	for {
		tok, err := d.Token()
		if err != nil {
			return nil, err
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			n := &node{name: tok.Name, attrs: tok.Copy().Attr}
			if len(open) > 0 {
				p := open[len(open)-1]
				p.children = append(p.children, n)
			}
			open = append(open, n)
		case xml.EndElement:
			n := open[len(open)-1]
			if open = open[:len(open)-1]; len(open) == 0 {
				return n, nil
			}
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].text += string(tok)
			}
		}
	}
}

// schema is what the tests need of cwmp.xsd: the children of each element and
// type, in order.
type schema struct {
	Types    []schemaType    `xml:"complexType"`
	Elements []schemaElement `xml:"element"`
}

type schemaType struct {
	Name     string          `xml:"name,attr"`
	Sequence []schemaElement `xml:"sequence>element"`
	Attr     []struct {
		Name string `xml:"name,attr"`
	} `xml:"attribute"`
}

type schemaElement struct {
	Name      string      `xml:"name,attr"`
	Type      string      `xml:"type,attr"`
	MinOccurs string      `xml:"minOccurs,attr"`
	MaxOccurs string      `xml:"maxOccurs,attr"`
	Inline    *schemaType `xml:"complexType"`
}

var cwmpSchema = sync.OnceValues(func() (*schema, error) {
	b, err := os.ReadFile("../wsdl/cwmp.xsd")
	if err != nil {
		return nil, err
	}
	var s schema
	return &s, xml.Unmarshal(b, &s)
})

func (s *schema) typeOf(e schemaElement) *schemaType {
	if e.Inline != nil {
		return e.Inline
	}
	for i := range s.Types {
		if "tns:"+s.Types[i].Name == e.Type {
			return &s.Types[i]
		}
	}
	return nil
}

// substitute returns e with the type that the xsi:type of n names, if it is
// one of the schema.
func (s *schema) substitute(e schemaElement, n *node) schemaElement {
	if typ, ok := n.attr(nsXSI, "type"); ok && strings.HasPrefix(typ, "cwmp:") {
		e.Type = "tns:" + strings.TrimPrefix(typ, "cwmp:")
	}
	return e
}

func (s *schema) element(name string) (schemaElement, bool) {
	for _, e := range s.Elements {
		if e.Name == name {
			return e, true
		}
	}
	return schemaElement{}, false
}

// strictly reports everything in doc that a strict peer would refuse.
func strictly(t *testing.T, doc []byte, namespace string) {
	t.Helper()
	root, err := parseStrict(doc)
	if err != nil {
		t.Fatalf("encoding/xml: %v\n%s", err, doc)
	}
	s, err := cwmpSchema()
	if err != nil {
		t.Fatalf("cwmp.xsd: %v", err)
	}
	if root.name != (xml.Name{Space: nsEnvelope, Local: "Envelope"}) {
		t.Errorf("got root %v", root.name)
	}
	for prefix, uri := range map[string]string{
		"soap-env": nsEnvelope, "soap-enc": nsEncoding, "xsd": nsXSD, "xsi": nsXSI, "cwmp": namespace,
	} {
		if got, _ := root.attr("xmlns", prefix); got != uri {
			t.Errorf("prefix %s: got %q, want %q", prefix, got, uri)
		}
	}
	for _, part := range root.children {
		switch part.name {
		case xml.Name{Space: nsEnvelope, Local: "Header"}:
			strictHeader(t, part, namespace)
		case xml.Name{Space: nsEnvelope, Local: "Body"}:
			if len(part.children) > 1 {
				t.Errorf("got %d elements in the Body", len(part.children))
			}
			for _, rpc := range part.children {
				strictRPC(t, s, rpc, namespace)
			}
		default:
			t.Errorf("got %v in the Envelope", part.name)
		}
	}
}

func strictHeader(t *testing.T, header *node, namespace string) {
	t.Helper()
	must := map[string]string{
		"ID": "1", "HoldRequests": "1", "SessionTimeout": "0", "SupportedCWMPVersions": "0", "UseCWMPVersion": "1",
	}
	for _, e := range header.children {
		if e.name.Space != namespace {
			t.Errorf("header element %v is not in %s", e.name, namespace)
		}
		if got, _ := e.attr(nsEnvelope, "mustUnderstand"); got != must[e.name.Local] {
			t.Errorf("%s: got mustUnderstand %q, want %q", e.name.Local, got, must[e.name.Local])
		}
	}
}

func strictRPC(t *testing.T, s *schema, rpc *node, namespace string) {
	t.Helper()
	if rpc.name == (xml.Name{Space: nsEnvelope, Local: "Fault"}) {
		var names []string
		for _, c := range rpc.children {
			names = append(names, c.name.Space+c.name.Local)
		}
		if got, want := fmt.Sprint(names), "[faultcode faultstring detail]"; got != want {
			t.Fatalf("got Fault of %s, want %s", got, want)
		}
		if code := rpc.child("faultcode").text; code != "Client" && code != "Server" {
			t.Errorf("got faultcode %q", code)
		}
		rpc = rpc.child("detail").children[0]
	}
	if rpc.name.Space != namespace {
		t.Errorf("%v is not in %s", rpc.name, namespace)
	}
	e, ok := s.element(rpc.name.Local)
	if !ok {
		t.Fatalf("%s is not in cwmp.xsd", rpc.name.Local)
	}
	strictType(t, s, rpc, s.typeOf(e), rpc.name.Local)
}

var arrayType = regexp.MustCompile(`^(xsd|soap-enc|cwmp):(\w+)\[(0|[1-9][0-9]*)\]$`)

// strictType checks that the children of n are those of the type, all of them,
// in order and in no namespace, and that arrays are counted.
func strictType(t *testing.T, s *schema, n *node, typ *schemaType, path string) {
	t.Helper()
	rest := n.children
	for _, want := range typ.Sequence {
		count := 0
		for len(rest) > 0 && rest[0].name == (xml.Name{Local: want.Name}) {
			c := rest[0]
			rest, count = rest[1:], count+1
			if sub := s.typeOf(s.substitute(want, c)); sub != nil {
				strictType(t, s, c, sub, path+"/"+want.Name)
			}
			if want.MaxOccurs == "" {
				break
			}
		}
		if count == 0 && want.MinOccurs == "" {
			t.Errorf("%s: no %s", path, want.Name)
		}
	}
	for _, c := range rest {
		t.Errorf("%s: %v is out of place", path, c.name)
	}
	if strings.HasSuffix(path, "/Value") {
		if typ, ok := n.attr(nsXSI, "type"); !ok || !strings.HasPrefix(typ, "xsd:") {
			t.Errorf("%s: got xsi:type %q", path, typ)
		}
	}
	if len(typ.Attr) == 0 || typ.Attr[0].Name != "arrayType" {
		return
	}
	value, _ := n.attr(nsEncoding, "arrayType")
	m := arrayType.FindStringSubmatch(value)
	if m == nil {
		t.Fatalf("%s: got arrayType %q", path, value)
	}
	if count, _ := strconv.Atoi(m[3]); count != len(n.children) {
		t.Errorf("%s: got arrayType of %d, has %d", path, count, len(n.children))
	}
	if item := typ.Sequence[0]; m[2] != item.Name || (m[1] == "cwmp") != strings.HasPrefix(item.Type, "tns:") {
		t.Errorf("%s: got arrayType of %s:%s, want %s", path, m[1], m[2], item.Name)
	}
}
