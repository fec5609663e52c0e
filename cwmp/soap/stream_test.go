// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/soap"
)

// documents are all documents that the tests of this package have by name.
func documents(tb testing.TB) map[string][]byte {
	tb.Helper()
	docs := map[string][]byte{"values": gpvResponse(50)}
	for _, dir := range []string{"wire", "tolerant"} {
		files, err := filepath.Glob(filepath.Join("testdata", dir, "*.xml"))
		if err != nil || len(files) == 0 {
			tb.Fatalf("no documents in %s: %v", dir, err)
		}
		for _, file := range files {
			doc, err := os.ReadFile(file)
			if err != nil {
				tb.Fatal(err)
			}
			docs[file] = doc
		}
	}
	for name, doc := range malformed {
		docs["malformed "+name] = []byte(doc)
	}
	for i, v := range stackVectors() {
		for _, s := range stacks() {
			doc := s.head + strings.ReplaceAll(v.body, "cwmp:", s.prefix) + s.tail
			docs[fmt.Sprintf("%s %d %s", v.want.Method(), i, s.name)] = []byte(doc)
		}
	}
	for i, value := range oddValues {
		docs[fmt.Sprintf("value %d", i)] = []byte(gpvOf(value))
	}
	for i, fault := range oddFaults {
		docs[fmt.Sprintf("fault %d", i)] = []byte(document(fault))
	}
	return docs
}

var oddValues = []string{
	"\n x ", "&#2;", "\x02", "a & b", "<x> y", "<![CDATA[\n]]>", "&#13;\r\n", "<", "<<", "a <b> c <!-- d --> e <f/>",
	"p<x\"y", "ü東😀", "&amp;&lt;", "<!-- - -- -->", "<?x?>", "]]>", "<a><b><c></c></b>d</a>",
}

var oddFaults = []string{
	`<s:Fault><faultstring>CWMP fault<detail><cwmp:Fault><FaultCode>9005</FaultCode><SetParameterValuesFault>` +
		`<ParameterName>A</ParameterName></SetParameterValuesFault></cwmp:Fault></detail></faultstring></s:Fault>`,
	`<s:Fault><faultstring/><faultcode/></s:Fault>`,
	`<s:Fault><faultcode>a &amp; b</faultcode><faultstring>c &amp; d<detail><FaultString>e &lt; f</FaultString></detail>` +
		`</faultstring></s:Fault>`,
	`<s:Fault><faultstring>a <free> network</faultstring><detail><FaultCode>9001</FaultCode></detail></s:Fault>`,
}

// pieceSizes are some that cut every token, and one that cuts none.
var pieceSizes = []int{1, 2, 3, 5, 17, 256, 64 << 10}

// TestStreamIsAsWhole: a document that comes in pieces is read as one in
// memory, wherever it is cut.
func TestStreamIsAsWhole(t *testing.T) {
	t.Parallel()
	for name, doc := range documents(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, piece := range pieceSizes {
				sameAsWhole(t, doc, piece, soap.Limits{})
			}
		})
	}
}

// sameAsWhole compares a document in pieces, with lists and without, with the
// document in memory.
func sameAsWhole(t *testing.T, doc []byte, piece int, lim soap.Limits) {
	t.Helper()
	whole, failed := soap.DecodeBytes(doc, "text/xml", lim)
	env, err := soap.DecodePieces(bytes.NewReader(doc), "text/xml", lim, soap.Lists{}, piece)
	if errors.Is(failed, soap.ErrLimit) || errors.Is(err, soap.ErrLimit) {
		return // what follows the envelope counts for one only, markup in texts for the other
	}
	if errors.Is(failed, soap.ErrMalformed) != errors.Is(err, soap.ErrMalformed) {
		t.Fatalf("piece %d: got error %v, want %v\n%q", piece, err, failed, doc)
	}
	if !reflect.DeepEqual(env, whole) {
		t.Fatalf("piece %d: got\n%+v\n%+v\nwant\n%+v\n%+v\n%q", piece, env, env.Body, whole, whole.Body, doc)
	}
	if err != nil {
		if got, want := err.Error(), failed.Error(); got != want {
			t.Fatalf("piece %d: got error %q, want %q\n%q", piece, got, want, doc)
		}
		return
	}
	values, infos := []cwmp.ParameterValue(nil), []cwmp.ParameterInfo(nil)
	env, err = soap.DecodePieces(bytes.NewReader(doc), "text/xml", lim, soap.Lists{
		Value: func(p cwmp.ParameterValue) error { values = append(values, p); return nil },
		Info:  func(p cwmp.ParameterInfo) error { infos = append(infos, p); return nil },
	}, piece)
	if err != nil {
		t.Fatalf("piece %d: with lists: %v", piece, err)
	}
	switch m := env.Body.(type) {
	case *cwmp.GetParameterValuesResponse:
		if m.Params != nil {
			t.Fatalf("got %d entries in the message, want none", len(m.Params))
		}
		m.Params = values
	case *cwmp.GetParameterNamesResponse:
		if m.Params != nil {
			t.Fatalf("got %d entries in the message, want none", len(m.Params))
		}
		m.Params = infos
	}
	if !reflect.DeepEqual(env, whole) {
		t.Fatalf("piece %d: with lists: got\n%+v\nwant\n%+v", piece, env.Body, whole.Body)
	}
}

// FuzzStream is TestStreamIsAsWhole for any document and any piece.
func FuzzStream(f *testing.F) {
	for _, doc := range documents(f) {
		f.Add(doc, uint8(len(doc)))
	}
	lim := soap.Limits{MaxBytes: 1 << 16, MaxDepth: 16, MaxParams: 200, MaxName: 200, MaxValue: 1000}
	f.Fuzz(func(t *testing.T, doc []byte, piece uint8) {
		if utf8.Valid(doc) {
			sameAsWhole(t, doc, int(piece)+1, lim)
			return
		}
		_, err := soap.DecodePieces(bytes.NewReader(doc), "", lim, soap.Lists{}, int(piece)+1)
		if err != nil && !errors.Is(err, soap.ErrMalformed) && !errors.Is(err, soap.ErrLimit) {
			t.Fatalf("got %v", err)
		}
	})
}

// TestStreamCharsets: the encoding is found in the first piece, and characters
// are whole wherever they are cut.
func TestStreamCharsets(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1000)
	utf16 := []byte("\xFE\xFF")
	for _, c := range gpvOf(long + "ü€") {
		utf16 = append(utf16, byte(c>>8), byte(c))
	}
	for _, tt := range []struct{ name, contentType, doc, want string }{
		{"UTF-8", "", gpvOf(long + "Zürich 東京 😀"), long + "Zürich 東京 😀"},
		{"UTF-8 with its mark", "", "\xEF\xBB\xBF" + gpvOf(long+"ü"), long + "ü"},
		{"not UTF-8 far behind", "", gpvOf(long + "Z\xFCrich"), long + "Zürich"},
		{"not UTF-8 at the end of a piece", "", gpvOf(long + "\xC3"), long + "Ã"},
		{"HTTP says Latin-1", "text/xml; charset=ISO-8859-1", gpvOf(long + "\xFC"), long + "ü"},
		{"declared", "", `<?xml version="1.0" encoding="gb2312"?>` + gpvOf(long+"\xD6\xD0"), long + "中"},
		{"UTF-16", "", string(utf16), long + "ü€"},
	} {
		for _, piece := range pieceSizes {
			env, err := soap.DecodePieces(strings.NewReader(tt.doc), tt.contentType, soap.Limits{}, soap.Lists{}, piece)
			if err != nil {
				t.Fatalf("%s, piece %d: %v", tt.name, piece, err)
			}
			if got := params(env)[0].Value; got != tt.want {
				t.Errorf("%s, piece %d: got %q, want %q", tt.name, piece, got, tt.want)
			}
		}
	}
}

func TestStreamErrors(t *testing.T) {
	t.Parallel()
	doc := gpvResponse(1000)
	stop := errors.New("stop")
	seen := 0
	count := soap.Lists{Value: func(cwmp.ParameterValue) error { seen++; return nil }}
	broken := io.MultiReader(bytes.NewReader(doc[:len(doc)/2]), iotest.ErrReader(io.ErrClosedPipe))
	if _, err := soap.DecodeStream(broken, "", soap.Limits{}, count); !errors.Is(err, io.ErrClosedPipe) || seen == 0 {
		t.Errorf("broken reader: got %v after %d entries", err, seen)
	}
	_, err := soap.DecodeStream(bytes.NewReader(doc[:len(doc)-9]), "", soap.Limits{}, count)
	if !errors.Is(err, soap.ErrMalformed) {
		t.Errorf("cut document: got %v, want ErrMalformed", err)
	}
	seen = 0
	_, err = soap.DecodeStream(bytes.NewReader(doc), "", soap.Limits{}, soap.Lists{
		Value: func(cwmp.ParameterValue) error { seen++; return stop },
	})
	if err != stop || seen != 1 { //nolint:errorlint // as it is
		t.Errorf("got %v after %d entries, want %v after 1", err, seen, stop)
	}
	for name, tt := range map[string]struct {
		doc string
		lim soap.Limits
	}{
		"bytes":  {string(doc), soap.Limits{MaxBytes: 100_000}},
		"params": {string(doc), soap.Limits{MaxParams: 999}},
		"value":  {gpvOf(strings.Repeat("x", 101)), soap.Limits{MaxValue: 100}},
		"markup": {gpvOf(strings.Repeat("<!-- x -->", 100_000)), soap.Limits{MaxValue: 100}},
		"tag":    {"<Envelope " + strings.Repeat(`a="b" `, 100_000) + "/>", soap.Limits{MaxValue: 100}},
	} {
		_, err := soap.DecodeStream(strings.NewReader(tt.doc), "", tt.lim, soap.Lists{})
		if !errors.Is(err, soap.ErrLimit) {
			t.Errorf("%s: got %v, want ErrLimit", name, err)
		}
	}
}

// endlessValues is a response with n entries that is made while it is read.
type endlessValues struct {
	n, next int
	buf     []byte
	bytes   int64
}

const streamHead = `<s:Envelope xmlns:s="e" xmlns:c="urn:dslforum-org:cwmp-1-2"><s:Header><c:ID>1</c:ID>` +
	`</s:Header><s:Body>`

func (e *endlessValues) Read(p []byte) (int, error) {
	for len(e.buf) == 0 {
		switch {
		case e.next == 0:
			e.buf = append(e.buf[:0], streamHead+`<c:GetParameterValuesResponse><ParameterList>`...)
		case e.next <= e.n:
			e.buf = fmt.Appendf(e.buf[:0], "<ParameterValueStruct>\n<Name>InternetGatewayDevice.LANDevice.1.Host.%d.Name"+
				"</Name>\n<Value xsi:type=\"xsd:string\">Tom &amp; %d</Value></ParameterValueStruct>\n", e.next, e.next)
		case e.next == e.n+1:
			e.buf = append(e.buf[:0], `</ParameterList></c:GetParameterValuesResponse></s:Body></s:Envelope>`...)
		default:
			return 0, io.EOF
		}
		e.next++
	}
	n := copy(p, e.buf)
	e.buf = e.buf[n:]
	e.bytes += int64(n)
	return n, nil
}

// inUse is the memory that is reachable.
func inUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestQuirk52StreamOf200000Values: the greatest answer that there may be is
// read with less than 1 MiB in use, which is measured all along. It is not
// parallel, so nothing else allocates.
func TestQuirk52StreamOf200000Values(t *testing.T) {
	const n, every, most = 200_000, 10_000, 1 << 20
	r := &endlessValues{n: n}
	before, peak, seen := inUse(), uint64(0), 0
	env, err := soap.DecodeStream(r, "text/xml", soap.Limits{}, soap.Lists{Value: func(p cwmp.ParameterValue) error {
		seen++
		want := fmt.Sprintf("Tom & %d", seen)
		if p.Value != want || p.Type != cwmp.TypeString {
			return fmt.Errorf("got %+v, want %s", p, want)
		}
		if seen%every == 0 {
			peak = max(peak, inUse())
		}
		return nil
	}})
	if err != nil || seen != n || env.ID != "1" {
		t.Fatalf("got %d entries, error %v; want %d", seen, err, n)
	}
	if r.bytes < 30<<20 || r.bytes > 32<<20 {
		t.Errorf("got a document of %d bytes, want almost 32 MiB", r.bytes)
	}
	used := int64(peak) - int64(before)
	t.Logf("%d bytes, %d entries: at most %d bytes in use", r.bytes, seen, used)
	if used > most {
		t.Errorf("got %d bytes in use, want at most %d", used, most)
	}
}

// TestQuirk52StreamIntoAMessage: the same answer as a message keeps its entries
// and not the document.
func TestQuirk52StreamIntoAMessage(t *testing.T) {
	const n = 200_000
	r := &endlessValues{n: n}
	before := inUse()
	env, err := soap.DecodeStream(r, "text/xml", soap.Limits{}, soap.Lists{})
	if err != nil {
		t.Fatal(err)
	}
	used := int64(inUse()) - int64(before)
	text := 0
	for i, p := range params(env) {
		if want := fmt.Sprintf("Tom & %d", i+1); p.Value != want {
			t.Fatalf("got %+v, want %s", p, want)
		}
		text += len(p.Name) + len(p.Value)
	}
	entries := cap(params(env)) * int(reflect.TypeFor[cwmp.ParameterValue]().Size())
	t.Logf("%d bytes: %d bytes in use, %d of them entries, %d text", r.bytes, used, entries, text)
	if most := int64(entries+text) + 1<<20; used > most {
		t.Errorf("got %d bytes in use, want at most %d", used, most)
	}
	runtime.KeepAlive(env)
}
