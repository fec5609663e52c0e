// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/soap"
)

// malformed documents; the rows are seeds of FuzzDecode too.
var malformed = map[string]string{
	"empty":                  "",
	"blank":                  " \r\n\x00",
	"text":                   "Unauthorized",
	"text before":            "HTTP/1.1 200 OK\r\n\r\n" + document(""),
	"HTML":                   "<html><body>404</body></html>",
	"no Body":                "<e:Envelope><e:Header/></e:Envelope>",
	"empty Envelope":         "<Envelope/>",
	"end tag first":          "</Envelope>",
	"only a start":           "<",
	"half a tag":             "<Envelope",
	"no end":                 "<Envelope><Body/>",
	"attribute without end":  `<Envelope a="><Body/></Envelope>`,
	"wrong end":              "<Envelope><Body></Envelope></Body>",
	"cut in a value":         gpvOf("x")[:300],
	"cut in a tag":           "<Envelope><Body><Reboot",
	"cut in an end tag":      "<Envelope><Body><Reboot></Reboot",
	"cut in a comment":       "<Envelope><Body><!-- </Body></Envelope>",
	"cut in a CDATA section": "<Envelope><Body><Reboot><CommandKey><![CDATA[x</CommandKey></Reboot></Body></Envelope>",
	"cut in an instruction":  "<?xml version='1.0'",
	"value not closed":       strings.Replace(gpvOf("x"), "</Value>", "", 1),
	"name not closed":        strings.Replace(gpvOf("x"), "</Name>", "", 1),
	"DOCTYPE":                "<!DOCTYPE Envelope>" + document("<c:Reboot/>"),
	"DOCTYPE with entities":  `<!DOCTYPE e [<!ENTITY a "b">]>` + gpvOf("&a;"),
	"DOCTYPE in a value":     gpvOf("<!DOCTYPE x>"),
	"ENTITY in the Body":     document(`<!ENTITY a "b">`),
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	for name, doc := range malformed {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env, err := soap.DecodeBytes([]byte(doc), "", soap.Limits{})
			if !errors.Is(err, soap.ErrMalformed) || env != nil {
				t.Errorf("got %+v, error %v; want ErrMalformed", env, err)
			}
		})
	}
}

// TestTruncation cuts a document at every byte: nothing but the whole is read.
func TestTruncation(t *testing.T) {
	t.Parallel()
	doc, err := soap.Append(nil, informOf(2))
	if err != nil {
		t.Fatal(err)
	}
	for n := range doc {
		if env, err := soap.DecodeBytes(doc[:n], "", soap.Limits{}); !errors.Is(err, soap.ErrMalformed) {
			t.Fatalf("%d of %d bytes: got %+v, error %v; want ErrMalformed", n, len(doc), env, err)
		}
	}
}

func TestErrorsTellThePlace(t *testing.T) {
	t.Parallel()
	_, err := soap.DecodeBytes([]byte("<Envelope><Body></Boby></Envelope>"), "", soap.Limits{})
	if got, want := fmt.Sprint(err), "soap: malformed envelope: offset 16: </Boby> closes <Body>"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	long := strings.Repeat("x", 1<<20)
	_, err = soap.DecodeBytes([]byte("<"+long+"></"+long+"y>"), "", soap.Limits{})
	if got := len(fmt.Sprint(err)); err == nil || got > 300 {
		t.Errorf("got an error text of %d bytes, want a short one", got)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	lim := soap.Limits{MaxBytes: 10_000, MaxDepth: 8, MaxParams: 3, MaxName: 10, MaxValue: 20}
	param := func(name, value string) string {
		return "<P><Name>" + name + "</Name><Value>" + value + "</Value></P>"
	}
	names := func(n int) string {
		return document("<c:GetParameterValues><ParameterNames>" + strings.Repeat("<string>A</string>", n) +
			"</ParameterNames></c:GetParameterValues>")
	}
	nested := func(n int) string {
		return document(strings.Repeat("<a>", n) + strings.Repeat("</a>", n))
	}
	events := func(n int) string {
		return document("<c:Inform><Event>" + strings.Repeat("<E/>", n) +
			"</Event><ParameterList><P/></ParameterList></c:Inform>")
	}
	attributes := func(n int) string {
		return document("<c:GetParameterAttributesResponse><ParameterList><P><AccessList>" +
			strings.Repeat("<string/>", n) + "</AccessList></P></ParameterList></c:GetParameterAttributesResponse>")
	}
	faults := func(n int) string {
		return document("<s:Fault><detail>" + strings.Repeat("<SetParameterValuesFault/>", n) + "</detail></s:Fault>")
	}
	for _, tt := range []struct {
		name string
		doc  string
		ok   bool
	}{
		{"bytes, all", gpvOf("x") + strings.Repeat(" ", 10_000-len(gpvOf("x"))), true},
		{"bytes, one more", gpvOf("x") + strings.Repeat(" ", 10_001-len(gpvOf("x"))), false},
		{"depth, all", nested(6), true},
		{"depth, one more", nested(7), false},
		{"parameters, all", gpv(strings.Repeat(param("A", "x"), 3)), true},
		{"parameters, one more", gpv(strings.Repeat(param("A", "x"), 4)), false},
		{"names, all", names(3), true},
		{"names, one more", names(4), false},
		{"lists together, all", events(2), true},
		{"lists together, one more", events(3), false},
		{"access lists, all", attributes(2), true},
		{"access lists, one more", attributes(3), false},
		{"faults, all", faults(3), true},
		{"faults, one more", faults(4), false},
		{"name, all", gpv(param("1234567890", "x")), true},
		{"name, one more", gpv(param("12345678901", "x")), false},
		{"blanks are not the name", gpv(param("     1234567890     ", "x")), true},
		{"value, all", gpv(param("A", "12345678901234567890")), true},
		{"value, one more", gpv(param("A", "123456789012345678901")), false},
		{"references count as what they stand for", gpv(param("A", strings.Repeat("&amp;", 20))), true},
		{"a value in pieces", gpv(param("A", "1234567890<!-- c -->1234567890")), true},
		{"a value in pieces, one more", gpv(param("A", "1234567890<![CDATA[12345678901]]>")), false},
		{"method, all", document("<c:M123456789/>"), true},
		{"method, one more", document("<c:M1234567890/>"), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := soap.DecodeBytes([]byte(tt.doc), "", lim)
			_, streamed := soap.Decode(strings.NewReader(tt.doc), "", lim)
			if tt.ok && (err != nil || streamed != nil) {
				t.Errorf("got errors %v, %v; want none", err, streamed)
			}
			if !tt.ok && (!errors.Is(err, soap.ErrLimit) || !errors.Is(streamed, soap.ErrLimit)) {
				t.Errorf("got errors %v, %v; want ErrLimit", err, streamed)
			}
		})
	}
}

// endless repeats a text for ever and counts what was read of it.
type endless struct {
	head, body string
	read       int64
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.head)
	e.head = e.head[n:]
	for n < len(p) {
		n += copy(p[n:], e.body)
	}
	e.read += int64(n)
	return n, nil
}

// TestEndless: a peer that never stops is read up to the limit and no further.
func TestEndless(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	for name, body := range map[string]string{
		"elements": "<a>", "empty elements": "<a/>", "text": "x", "attribute": `<a b="x`, "comment": "<!--", "less": "<",
		"NUL": "\x00", "entries": "<P><Name>A</Name></P>",
	} {
		r := &endless{head: "<Envelope><Body><GetParameterValuesResponse><ParameterList>", body: body}
		_, err := soap.Decode(r, "", soap.Limits{MaxBytes: limit})
		if !errors.Is(err, soap.ErrLimit) {
			t.Errorf("%s: got %v, want ErrLimit", name, err)
		}
		if r.read > 2*limit {
			t.Errorf("%s: read %d bytes, want about %d", name, r.read, limit)
		}
	}
}

// TestHostileDocuments: each is as large as may be, and must be done with in a
// time that no peer notices and memory in proportion.
func TestHostileDocuments(t *testing.T) {
	const size = 8 << 20
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	for name, doc := range map[string]string{
		"huge attribute":       `<Envelope a="` + fill("x") + `"><Body/></Envelope>`,
		"million attributes":   "<Envelope" + fill(` a="b"`) + "><Body/></Envelope>",
		"attributes of Value":  gpv("<P><Value" + fill(` a="b"`) + ">1</Value></P>"),
		"huge name of element": "<Envelope><" + fill("a") + "/></Envelope>",
		"bare less":            gpvOf(fill("<")),
		"bare less and name":   gpvOf(fill("<a ")),
		"quotes":               gpvOf(fill(`<a "`)),
		"ampersands":           gpvOf(fill("&")),
		"references":           gpvOf(fill("&#38;")),
		"long references":      gpvOf(fill("&#00000000")),
		"comments":             document(fill("<!---->")),
		"open elements":        document(fill("<a>")),
		"end tags":             document(fill("</a>")),
		"flat":                 document(fill("<a></a>")),
		"open values":          gpv(fill("<P><Value><x>")),
		"recovered values":     gpv(fill("<P><Value><x></Value></P>")),
		"nested faultstrings":  document("<s:Fault>" + strings.Repeat("<faultstring>", 25) + fill("<a/>") + "</s:Fault>"),
		"counts of arrays": document("<c:GetParameterValuesResponse>" +
			fill(`<ParameterList a:arrayType="x[999999999]"></ParameterList>`) + "</c:GetParameterValuesResponse>"),
		"control characters": gpvOf(fill("\x01")),
		"Latin-1":            gpvOf(fill("\xFC")),
		"namespaces":         "<Envelope" + fill(` xmlns:a="urn:dslforum-org:cwmp-1-x"`) + "><Body/></Envelope>",
	} {
		t.Run(name, func(t *testing.T) {
			boundedWork(t, len(doc), func() error {
				_, err := soap.DecodeBytes([]byte(doc), "", soap.Limits{})
				return err
			})
			boundedWork(t, len(doc), func() error {
				_, err := soap.DecodeStream(strings.NewReader(doc), "", soap.Limits{}, soap.Lists{})
				return err
			})
		})
	}
}

// boundedWork fails if decode takes long, three times, or much memory.
func boundedWork(t *testing.T, size int, decode func() error) {
	t.Helper()
	const most = 5 * time.Second
	took := time.Hour
	for try := 0; try < 3 && took > most; try++ {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		err := decode()
		took = time.Since(start)
		runtime.ReadMemStats(&after)
		if err != nil && !errors.Is(err, soap.ErrLimit) && !errors.Is(err, soap.ErrMalformed) {
			t.Errorf("got %v", err)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 16*uint64(size) {
			t.Errorf("allocated %d bytes for a document of %d", used, size)
		}
	}
	if took > most {
		t.Errorf("took %v", took)
	}
}

func TestDecodeReportsTheReader(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection reset")
	r := io.MultiReader(strings.NewReader("<Envelope>"), iotest.ErrReader(broken))
	if _, err := soap.Decode(r, "", soap.Limits{}); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
	if _, err := soap.Decode(iotest.OneByteReader(strings.NewReader(gpvOf("x"))), "", soap.Limits{}); err != nil {
		t.Errorf("byte by byte: got %v", err)
	}
}

// TestDecodeDoesNotRetain: the caller may use its buffer again.
func TestDecodeDoesNotRetain(t *testing.T) {
	t.Parallel()
	for name, doc := range documents(t) {
		want, failed := soap.DecodeBytes(bytes.Clone(doc), "", soap.Limits{})
		text := fmt.Sprint(failed)
		buf := bytes.Clone(doc)
		got, err := soap.DecodeBytes(buf, "", soap.Limits{})
		for i := range buf {
			buf[i] = 'X'
		}
		if !reflect.DeepEqual(got, want) || fmt.Sprint(err) != text {
			t.Errorf("%s: got %+v, error %v; want %+v, error %s", name, got, err, want, text)
		}
	}
}

func TestAppendRefuses(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "a b", "a:b", "1a", "-a", "a>", "a\xFF", "a\uFFFE"} {
		dst := []byte("before")
		got, err := soap.Append(dst, &cwmp.Envelope{Body: &cwmp.Unknown{Name: name}})
		if err == nil || string(got) != "before" {
			t.Errorf("%q: got %q, error %v; want an error", name, got, err)
		}
	}
	if _, err := soap.Append(nil, &cwmp.Envelope{Body: foreign{}}); err == nil {
		t.Error("a message of another package: got no error, want one")
	}
}

type foreign struct{}

func (foreign) Method() string { return "Foreign" }

func TestAppendAppends(t *testing.T) {
	t.Parallel()
	env := informOf(1)
	alone, err := soap.Append(nil, env)
	if err != nil {
		t.Fatal(err)
	}
	after, err := soap.Append([]byte("before"), env)
	if err != nil || !bytes.Equal(after, append([]byte("before"), alone...)) {
		t.Errorf("got %q, error %v", after, err)
	}
}

// TestAppendWritesWhatXMLCanHold: text of every kind comes back, or as U+FFFD.
func TestAppendWritesWhatXMLCanHold(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"a\x00b\x1F": "a\uFFFDb\uFFFD", "\xFFa": "\uFFFDa", "\uFFFE": "\uFFFD", "\xED\xA0\x80": "\uFFFD\uFFFD\uFFFD",
		"]]>": "]]>", "<![CDATA[x]]>": "<![CDATA[x]]>", "&amp;": "&amp;", "\r\n \r": "\r\n \r", "\n\n x": "\n\n x",
		"\t x \n": "\t x \n", "\u0085\u2028\u00A0": "\u0085\u2028\u00A0", "'\"": "'\"", " ": " ",
	} {
		env := &cwmp.Envelope{Body: &cwmp.GetParameterValuesResponse{Params: []cwmp.ParameterValue{str("A", value)}}}
		doc, err := soap.Append(nil, env)
		if err != nil {
			t.Fatal(err)
		}
		strictly(t, doc, cwmp.Namespace10)
		wantParams(t, string(doc), str("A", want))
	}
	doc, err := soap.Append(nil, &cwmp.Envelope{Namespace: `a"b<&`, ID: `"<`})
	if err != nil {
		t.Fatal(err)
	}
	strictly(t, doc, `a"b<&`)
}

// TestAppendMandatoryElements: what must be there is, also where the message
// has nothing for it.
func TestAppendMandatoryElements(t *testing.T) {
	t.Parallel()
	const unknownTime = "Time>0001-01-01T00:00:00Z<"
	for want, m := range map[string]cwmp.Message{
		"<MaxEnvelopes>1</MaxEnvelopes><Current" + unknownTime: &cwmp.Inform{},
		"<MaxEnvelopes>1</MaxEnvelopes></cwmp:InformResponse>": &cwmp.InformResponse{MaxEnvelopes: 9},
		"<Start" + unknownTime:                                 &cwmp.TransferComplete{},
		"<Complete" + unknownTime:                              &cwmp.DownloadResponse{},
		"<Name>A</Name></ParameterValueStruct>": &cwmp.Inform{
			Params: []cwmp.ParameterValue{{Name: "A", NoValue: true}},
		},
		`<Name>A</Name><Value xsi:type="xsd:string"></Value>`: &cwmp.SetParameterValues{
			Params: []cwmp.ParameterValue{{Name: "A", NoValue: true}},
		},
	} {
		doc, err := soap.Append(nil, &cwmp.Envelope{Body: m})
		if err != nil || !strings.Contains(string(doc), want) {
			t.Errorf("%s: got error %v and\n%s\nwant %s", m.Method(), err, doc, want)
		}
	}
}

// TestAppendHeadersBelongToMessages: an envelope made for one message and used
// for another does not carry headers that a CPE must refuse.
func TestAppendHeadersBelongToMessages(t *testing.T) {
	t.Parallel()
	env := cwmp.Envelope{SupportedVersions: "1.0,1.4", UseVersion: "1.4", SessionTimeout: 9}
	for body, want := range map[cwmp.Message]string{
		&cwmp.Inform{}:         "ID SessionTimeout SupportedCWMPVersions",
		&cwmp.InformResponse{}: "ID UseCWMPVersion",
		&cwmp.Reboot{}:         "ID",
	} {
		env.Body = body
		doc, err := soap.Append(nil, &env)
		if err != nil {
			t.Fatal(err)
		}
		root, err := parseStrict(doc)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, h := range root.child("Header").children {
			got = append(got, h.name.Local)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got headers %v, want %s", body.Method(), got, want)
		}
	}
}
