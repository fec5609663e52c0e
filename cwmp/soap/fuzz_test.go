// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/soap"
	"github.com/uspgate/uspgate/cwmp/trace"
)

// FuzzDecode asserts, for any document: no panic, limits kept, what was read
// can be written and read again without a difference, and what encoding/xml
// reads in strict mode as a list of values has the same names and values here.
func FuzzDecode(f *testing.F) {
	seeds, err := filepath.Glob(filepath.Join("testdata", "wire", "*.xml"))
	if err != nil || len(seeds) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, file := range seeds {
		doc, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(doc)
	}
	for _, doc := range malformed {
		f.Add([]byte(doc))
	}
	for _, value := range []string{"\n x ", "&#2;", "\x02", "a & b", "<x> y", "<![CDATA[\n]]>", "\xFF", "&#13;\r\n"} {
		f.Add([]byte(gpvOf(value)))
	}
	lim := soap.Limits{MaxBytes: 1 << 16, MaxDepth: 16, MaxParams: 200, MaxName: 200, MaxValue: 1000}
	f.Fuzz(func(t *testing.T, doc []byte) {
		buf := bytes.Clone(doc)
		env, err := soap.DecodeBytes(buf, "", lim)
		clear(buf) // none of it may be kept
		if err != nil {
			if !errors.Is(err, soap.ErrMalformed) && !errors.Is(err, soap.ErrLimit) {
				t.Fatalf("got %v", err)
			}
			if errors.Is(err, soap.ErrMalformed) && regularValues(doc) != nil {
				t.Fatalf("got %v, encoding/xml reads it", err)
			}
			return
		}
		for _, p := range params(env) {
			if len(p.Name) > lim.MaxName || len(p.Value) > lim.MaxValue {
				t.Fatalf("got a parameter beyond the limits: %d, %d", len(p.Name), len(p.Value))
			}
		}
		if got := entries(env.Body); got > lim.MaxParams {
			t.Fatalf("got %d entries", got)
		}
		_ = trace.Envelope(env)
		checkRoundTrip(t, env)
		if want := regularValues(doc); want != nil {
			sameValues(t, params(env), want)
		}
	})
}

// checkRoundTrip writes and reads env until nothing changes any more, which
// must be at once.
func checkRoundTrip(t *testing.T, env *cwmp.Envelope) {
	t.Helper()
	first, err := soap.Append(nil, env)
	if err != nil {
		if _, unknown := env.Body.(*cwmp.Unknown); unknown {
			return // the name is one that XML does not have
		}
		t.Fatalf("Append: %v", err)
	}
	again, err := soap.DecodeBytes(first, "", soap.Limits{})
	if err != nil {
		t.Fatalf("Decode of what Append wrote: %v\n%s", err, first)
	}
	second, err := soap.Append(nil, again)
	if err != nil || !bytes.Equal(first, second) {
		t.Fatalf("error %v, got\n%s\nthe second time\n%s", err, first, second)
	}
	if again.ID != env.ID || again.NoID != env.NoID || again.HoldRequests != env.HoldRequests {
		t.Fatalf("got %+v, want %+v", again, env)
	}
	want := params(env)
	for i := range want {
		if want[i].Type == cwmp.TypeUnknown && !want[i].NoValue {
			want[i].Type = cwmp.TypeString // as it is written
		}
		if _, set := env.Body.(*cwmp.SetParameterValues); set && want[i].NoValue {
			want[i].NoValue, want[i].Type = false, cwmp.TypeString
		}
	}
	if got := params(again); len(want) > 0 && !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

// rawValue is a parameter as encoding/xml sees it, blanks and all.
type rawValue struct{ name, value string }

// regularValues returns the parameters of the Inform or
// GetParameterValuesResponse in doc as encoding/xml reads them, and nil if it
// does not, if doc is no such message, or if doc has what the two readers
// differ about on purpose.
func regularValues(doc []byte) []rawValue {
	if bytes.Contains(doc, []byte("<!D")) || bytes.Contains(doc, []byte("<!E")) {
		return nil // a document type: refused
	}
	root, err := parseStrict(doc)
	if err != nil || root.name.Local != "Envelope" || !regular(root, 1) || !blankProlog(doc) {
		return nil
	}
	rpc := firstRPC(root)
	if rpc == nil || rpc.name.Local != "Inform" && rpc.name.Local != "GetParameterValuesResponse" {
		return nil
	}
	out := []rawValue{}
	for _, list := range rpc.children {
		if list.name.Local != "ParameterList" {
			continue
		}
		for _, item := range list.children {
			var v rawValue
			for _, c := range item.children {
				switch c.name.Local {
				case "Name":
					v.name = c.text
				case "Value":
					v.value = c.text
				}
			}
			out = append(out, v)
		}
	}
	return out
}

func firstRPC(root *node) *node {
	for _, c := range root.children {
		if c.name.Local == "Body" && len(c.children) > 0 {
			return c.children[0]
		}
	}
	return nil
}

// regular reports whether names have at most one prefix, and neither lacks.
func regular(n *node, depth int) bool {
	if strings.Contains(n.name.Local, ":") || depth > 16 {
		return false
	}
	for _, c := range n.children {
		if !regular(c, depth+1) {
			return false
		}
	}
	return true
}

// blankProlog reports whether there is nothing but blanks before the root, and
// no encoding that changes what follows.
func blankProlog(doc []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(doc, " \t\r\n"), []byte("<")) && !bytes.Contains(doc, []byte("<?"))
}

func sameValues(t *testing.T, got []cwmp.ParameterValue, want []rawValue) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %d parameters, encoding/xml %d: %+v", len(got), len(want), want)
	}
	const blanks = " \t\r\n"
	for i, w := range want {
		name := strings.Trim(w.name, blanks)
		if strings.HasPrefix(name, ".") {
			name = strings.TrimLeft(name, "."+blanks)
		}
		if got[i].Name != name {
			t.Fatalf("got name %q, encoding/xml %q", got[i].Name, w.name)
		}
		if !strings.Contains(w.value, got[i].Value) || strings.Trim(got[i].Value, blanks) != strings.Trim(w.value, blanks) {
			t.Fatalf("got value %q, encoding/xml %q", got[i].Value, w.value)
		}
	}
}

// FuzzAppend asserts that any text survives in a value, or comes back with
// U+FFFD for what XML cannot hold, and that the document is strict.
func FuzzAppend(f *testing.F) {
	f.Add("Device.WiFi.SSID.1.SSID", "Tom & Jerry", "1")
	f.Add(" \n", "\r\n\x00\xFF\uFFFE", "<&>\"'")
	f.Fuzz(func(t *testing.T, name, value, id string) {
		env := &cwmp.Envelope{ID: id, Body: &cwmp.SetParameterValues{
			Params: []cwmp.ParameterValue{{Name: name, Value: value, Type: cwmp.TypeString}}, ParameterKey: id,
		}}
		doc, err := soap.Append(nil, env)
		if err != nil {
			t.Fatalf("Append: %v", err)
		}
		strictly(t, doc, cwmp.Namespace10)
		got, err := soap.DecodeBytes(doc, "", soap.Limits{MaxName: 1 << 20})
		if err != nil {
			t.Fatalf("Decode: %v\n%s", err, doc)
		}
		m := got.Body.(*cwmp.SetParameterValues)
		if got.ID != xmlText(id) || m.ParameterKey != xmlText(id) || m.Params[0].Value != xmlText(value) {
			t.Fatalf("got %q, %q, %q; want %q, %q", got.ID, m.ParameterKey, m.Params[0].Value, id, value)
		}
	})
}

// xmlText returns s with U+FFFD for each byte or character that XML 1.0 does
// not have.
func xmlText(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < 0x20 && r != '\t' && r != '\n' && r != '\r', r == 0xFFFE, r == 0xFFFF:
			return '\uFFFD'
		default:
			return r
		}
	}, s)
}
