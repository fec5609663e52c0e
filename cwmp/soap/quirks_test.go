// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/soap"
)

// The tests of this file are named after the numbers of the table of quirks:
// what CPE in the field send, and what is to be made of it.

// document wraps a Body in an envelope with ID 1 and namespace 1-0.
func document(body string) string {
	return `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/` +
		`XMLSchema-instance" xmlns:cwmp="urn:dslforum-org:cwmp-1-0"><s:Header><cwmp:ID s:mustUnderstand="1">1</cwmp:ID>` +
		`</s:Header><s:Body>` + body + `</s:Body></s:Envelope>`
}

// gpv wraps the content of a ParameterList.
func gpv(list string) string {
	return document(`<cwmp:GetParameterValuesResponse><ParameterList>` + list +
		`</ParameterList></cwmp:GetParameterValuesResponse>`)
}

// gpvOf is a response with one string parameter of this raw value.
func gpvOf(value string) string {
	return gpv(`<ParameterValueStruct><Name>A.B</Name><Value xsi:type="xsd:string">` + value +
		`</Value></ParameterValueStruct>`)
}

func decode(t *testing.T, doc string) *cwmp.Envelope {
	t.Helper()
	return decodeAs(t, doc, "text/xml")
}

func decodeAs(t *testing.T, doc, contentType string) *cwmp.Envelope {
	t.Helper()
	env, err := soap.Decode(strings.NewReader(doc), contentType, soap.Limits{})
	if err != nil {
		t.Fatalf("Decode: %v\n%s", err, doc)
	}
	return env
}

// wantParams compares the parameters of the response in doc.
func wantParams(t *testing.T, doc string, want ...cwmp.ParameterValue) {
	t.Helper()
	if got := params(decode(t, doc)); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v\n%s", got, want, doc)
	}
}

// wantValues maps raw values of a string to what they stand for.
func wantValues(t *testing.T, rows map[string]string) {
	t.Helper()
	for raw, want := range rows {
		wantParams(t, gpvOf(raw), str("A.B", want))
	}
}

func str(name, value string) cwmp.ParameterValue {
	return cwmp.ParameterValue{Name: name, Value: value, Type: cwmp.TypeString}
}

func TestQuirk01Prefixes(t *testing.T) {
	t.Parallel()
	for _, doc := range []string{
		`<SOAP_ENV:Envelope xmlns:SOAP_ENV="e" xmlns:x="urn:dslforum-org:cwmp-1-1"><SOAP_ENV:Body><x:Reboot/>` +
			`</SOAP_ENV:Body></SOAP_ENV:Envelope>`,
		`<Envelope><Body><Reboot xmlns="urn:dslforum-org:cwmp-1-1"/></Body></Envelope>`,
		`<soapenv:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/encoding/"><soapenv:Body>` +
			`<cwmp:Reboot xmlns:cwmp="urn:dslforum-org:cwmp-1-1"></cwmp:Reboot></soapenv:Body></soapenv:Envelope>`,
		`<a:Envelope xmlns:old="urn:dslforum-org:cwmp-1-0" xmlns:new="urn:dslforum-org:cwmp-1-1"><a:Body><new:Reboot/>` +
			`</a:Body></a:Envelope>`,
		`<Envelope xmlns:b="urn:dslforum-org:cwmp-1-1"><Body><b:c:Reboot></b:c:Reboot></Body></Envelope>`,
	} {
		env := decode(t, doc)
		if _, ok := env.Body.(*cwmp.Reboot); !ok || env.Namespace != cwmp.Namespace11 {
			t.Errorf("got %#v in %q, want Reboot in 1-1\n%s", env.Body, env.Namespace, doc)
		}
	}
}

func TestQuirk02Namespaces(t *testing.T) {
	t.Parallel()
	for ns, want := range map[string]string{
		"urn:dslforum-org:cwmp-1-3": "urn:dslforum-org:cwmp-1-3",
		"urn:dslforum-org:cwmp-1-4": "urn:dslforum-org:cwmp-1-4",
		"urn:example:other":         "",
	} {
		env := decode(t, strings.Replace(document("<cwmp:Reboot/>"), cwmp.Namespace10, ns, 1))
		if env.Namespace != want {
			t.Errorf("got %q, want %q", env.Namespace, want)
		}
		out, err := soap.Append(nil, env)
		if want == "" {
			want = cwmp.Namespace10
		}
		if err != nil || !strings.Contains(string(out), `xmlns:cwmp="`+want+`"`) {
			t.Errorf("got error %v and %s, want namespace %s echoed", err, out, want)
		}
	}
}

func TestQuirk03UnknownVersion(t *testing.T) {
	t.Parallel()
	for _, ns := range []string{"urn:dslforum-org:cwmp-2-0", "urn:dslforum-org:cwmp-1-", "urn:dslforum-org:cwmp-1-0x"} {
		env := decode(t, strings.Replace(document("<cwmp:Reboot/>"), cwmp.Namespace10, ns, 1))
		if _, ok := env.Body.(*cwmp.Reboot); !ok || env.Namespace != "" {
			t.Errorf("%s: got %#v in %q, want Reboot in none", ns, env.Body, env.Namespace)
		}
	}
}

func TestQuirk04NoHeaderOrNoID(t *testing.T) {
	t.Parallel()
	for _, doc := range []string{
		`<e:Envelope><e:Body><c:Reboot/></e:Body></e:Envelope>`,
		`<e:Envelope><e:Header/><e:Body><c:Reboot/></e:Body></e:Envelope>`,
		`<e:Envelope><e:Header><x>7</x></e:Header><e:Body><c:Reboot/></e:Body></e:Envelope>`,
	} {
		env := decode(t, doc)
		out, err := soap.Append(nil, env)
		if !env.NoID || env.ID != "" || err != nil || strings.Contains(string(out), "ID") {
			t.Errorf("got NoID %v, ID %q, error %v, %s; want an answer without ID", env.NoID, env.ID, err, out)
		}
	}
}

func TestQuirk05EmptyID(t *testing.T) {
	t.Parallel()
	env := decode(t, `<e:Envelope><e:Header><c:ID/></e:Header><e:Body><c:Reboot/></e:Body></e:Envelope>`)
	out, err := soap.Append(nil, env)
	if env.NoID || env.ID != "" || err != nil || !strings.Contains(string(out), `<cwmp:ID soap-env:mustUnderstand="1"></cwmp:ID>`) {
		t.Errorf("got NoID %v, ID %q, error %v, %s; want the empty ID echoed", env.NoID, env.ID, err, out)
	}
}

func TestQuirk06NoMoreRequests(t *testing.T) {
	t.Parallel()
	doc := strings.Replace(document("<cwmp:Reboot/>"), "</s:Header>",
		`<cwmp:NoMoreRequests s:mustUnderstand="1">1</cwmp:NoMoreRequests><x:Other><deep>1</deep></x:Other></s:Header>`, 1)
	want := &cwmp.Envelope{Namespace: cwmp.Namespace10, ID: "1", Body: &cwmp.Reboot{}}
	if got := decode(t, doc); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestQuirk07SessionTimeout(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"SessionTimeout", "sessionTimeout", "SESSIONTIMEOUT"} {
		doc := strings.Replace(document("<cwmp:Reboot/>"), "</s:Header>",
			"<cwmp:"+name+"> 40\n</cwmp:"+name+"></s:Header>", 1)
		if got := decode(t, doc).SessionTimeout; got != 40 {
			t.Errorf("%s: got %d, want 40", name, got)
		}
	}
}

func TestQuirk08And09ArrayType(t *testing.T) {
	t.Parallel()
	for _, attr := range []string{
		``, ` e:arrayType="cwmp:ParameterValueStruct[01]"`, ` e:arrayType="cwmp:ParameterValueStruct[0009]"`,
		` e:arrayType="xsd:anyType[]"`, ` e:arrayType=""`, ` arrayType='[999999999]'`, ` e:arrayType=cwmp:X[2]`,
	} {
		doc := strings.Replace(gpvOf("x"), "<ParameterList>", "<ParameterList"+attr+">", 1)
		env := decode(t, doc)
		out, err := soap.Append(nil, env)
		if len(params(env)) != 1 || err != nil || !strings.Contains(string(out), `soap-enc:arrayType="cwmp:ParameterValueStruct[1]"`) {
			t.Errorf("%s: got %+v, error %v, %s; want one parameter, counted", attr, params(env), err, out)
		}
	}
}

func TestQuirk10And11Types(t *testing.T) {
	t.Parallel()
	for attr, want := range map[string]cwmp.Type{
		``:                                  cwmp.TypeUnknown,
		` xsi:type="xsd:"`:                  cwmp.TypeUnknown,
		` xsi:type=""`:                      cwmp.TypeUnknown,
		` xsi:type="xsd:anySimpleType"`:     cwmp.TypeUnknown,
		` xsi:type="xsd:unsignedint"`:       cwmp.TypeUnsignedInt,
		` xsi:type="XSD:UnsignedInt"`:       cwmp.TypeUnsignedInt,
		` xsi:type='xsd:boolean'`:           cwmp.TypeBoolean,
		` other="1" type = " xsd:int "`:     cwmp.TypeInt,
		` xsi:nil="0" xsi:type="dateTime"`:  cwmp.TypeDateTime,
		` xsi:type="SOAP-ENC:base64"`:       cwmp.TypeBase64,
		` xsi:type="xsd:base64Binary"`:      cwmp.TypeBase64,
		"\n\txsi:type=\"xsd:unsignedLong\"": cwmp.TypeUnsignedLong,
	} {
		doc := gpv("<ParameterValueStruct><Name>A</Name><Value" + attr + ">1</Value></ParameterValueStruct>")
		wantParams(t, doc, cwmp.ParameterValue{Name: "A", Value: "1", Type: want})
	}
}

func TestQuirk12NoValue(t *testing.T) {
	t.Parallel()
	doc := gpv(`<ParameterValueStruct><Name>A</Name></ParameterValueStruct>` +
		`<ParameterValueStruct><Name>B</Name><Value xsi:type="xsd:string"/></ParameterValueStruct>` +
		`<ParameterValueStruct/>`)
	wantParams(t, doc, cwmp.ParameterValue{Name: "A", NoValue: true}, str("B", ""), cwmp.ParameterValue{NoValue: true})
}

func TestQuirk13And14Faults(t *testing.T) {
	t.Parallel()
	const inner = `<cwmp:Fault><FaultCode>9005</FaultCode><FaultString>Bad name</FaultString></cwmp:Fault>`
	for body, want := range map[string]cwmp.Fault{
		`<s:Fault><faultcode>Client</faultcode><faultstring>CWMP fault</faultstring><detail>` + inner +
			`</detail></s:Fault>`: {Code: 9005, Text: "Bad name"},
		`<s:Fault><faultcode>s:Client</faultcode><faultstring>CWMP fault<detail>` + inner +
			`</detail></faultstring></s:Fault>`: {Code: 9005, Text: "Bad name"},
		`<s:Fault><faultcode>Server</faultcode><faultstring>CWMP fault</faultstring></s:Fault>`: {Code: 9002},
		`<s:Fault><faultcode>Server</faultcode><faultstring>9001 not now</faultstring></s:Fault>`: {
			Code: 9001, Text: "9001 not now",
		},
		`<s:Fault><faultstring>error 12345 line 80 (9003)</faultstring></s:Fault>`: {
			Code: 9003, Text: "error 12345 line 80 (9003)",
		},
		`<s:Fault><faultstring>a <free> network</faultstring></s:Fault>`: {Code: 9002, Text: "a <free> network"},
		`<s:Fault/>`: {Code: 9002},
		`<s:Fault><detail><cwmp:Fault><FaultCode>9003</FaultCode></cwmp:Fault></detail></s:Fault>`: {Code: 9003},
		`<s:Fault><detail><FaultCode>9003</FaultCode></detail></s:Fault>`:                          {Code: 9003},
		`<s:Fault><faultstring>gone</faultstring><detail/></s:Fault>`:                              {Code: 9002, Text: "gone"},
		inner: {Code: 9005, Text: "Bad name"},
		`<s:Fault><detail><cwmp:Fault><FaultCode>9003</FaultCode><FaultString/><SetParameterValuesFault>` +
			`<FaultCode>9007</FaultCode><ParameterName> A.B </ParameterName></SetParameterValuesFault>` +
			`</cwmp:Fault></detail></s:Fault>`: {Code: 9003, Params: []cwmp.ParameterFault{{Name: "A.B", Code: 9007}}},
	} {
		if got := decode(t, document(body)).Body; !reflect.DeepEqual(got, &want) {
			t.Errorf("got %#v, want %#v\n%s", got, &want, body)
		}
	}
}

func TestQuirk15WhiteSpace(t *testing.T) {
	t.Parallel()
	wantValues(t, map[string]string{
		"\n    x y\n  ":           "x y",
		"\r\n\tx\r\n":             "x",
		"\n":                      "",
		"  x ":                    "  x ",
		" ":                       " ",
		"x\n":                     "x\n",
		"&#10;x ":                 "\nx ",
		"\n &#32;x&#9;\n":         " x\t",
		"\n<![CDATA[ x ]]>\n":     " x ",
		"\n<!-- c -->\n  x\n":     "x",
		"\n a<!-- c --> b \n":     "a b",
		"<![CDATA[\nx]]> ":        "\nx ",
		"\n \u00a0x\u00a0\n":      "\u00a0x\u00a0",
		"first\r\nsecond\rthird":  "first\nsecond\nthird",
		"a&#13;&#10;b&#13;":       "a\r\nb\r",
		"<![CDATA[a\r\nb]]>\r\nc": "a\nb\nc",
	})
	doc := document("<cwmp:Inform>\n<DeviceId><OUI>\n 00A0B1 \n</OUI><SerialNumber>\n 1\n</SerialNumber>" +
		"<ProductClass> P </ProductClass></DeviceId><Event><EventStruct><EventCode>\n 1 BOOT\n</EventCode>" +
		"<CommandKey>\n k\n</CommandKey></EventStruct></Event><RetryCount>\n 3\n</RetryCount><ParameterList>" +
		"<ParameterValueStruct><Name>\n\tA.B \n</Name><Value type='xsd:boolean'> 1 </Value></ParameterValueStruct>" +
		"</ParameterList></cwmp:Inform>")
	want := &cwmp.Inform{
		DeviceID: cwmp.DeviceID{OUI: "00A0B1", SerialNumber: "1", ProductClass: " P "},
		Events:   []cwmp.Event{{Code: "1 BOOT", CommandKey: "k"}}, RetryCount: 3,
		Params: []cwmp.ParameterValue{{Name: "A.B", Value: "1", Type: cwmp.TypeBoolean}},
	}
	if got := decode(t, doc).Body; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestQuirk16ControlCharacters(t *testing.T) {
	t.Parallel()
	rows := map[string]string{
		"a\tb": "a\tb", "&#9;&#xA;&#xd;": "\t\n\r", "&#x2;": "\uFFFD", "&#0;": "\uFFFD", "&#31;x": "\uFFFDx",
		"&#xD800;": "\uFFFD", "&#x110000;": "\uFFFD", "&#xFFFE;": "\uFFFD", "\uFFFE\uFFFF": "\uFFFD\uFFFD",
		"&#99999999;": "\uFFFD", "\x7F": "\x7F", "<![CDATA[\x02]]>": "\uFFFD", "ｆｕｌｌ": "ｆｕｌｌ", "&#x1F600;": "😀",
	}
	for c := range 0x20 {
		if c != '\t' && c != '\n' && c != '\r' {
			rows[fmt.Sprintf("12345678%c9", c)] = "12345678\uFFFD9"
		}
	}
	wantValues(t, rows)
}

func TestQuirk17Charsets(t *testing.T) {
	t.Parallel()
	utf16 := "\xFF\xFE"
	for _, c := range gpvOf("ü€") {
		utf16 += string([]byte{byte(c), byte(c >> 8)})
	}
	for _, tt := range []struct{ name, contentType, doc, want string }{
		{"nothing said, UTF-8", "", gpvOf("Zürich"), "Zürich"},
		{"nothing said, not UTF-8", "", gpvOf("Z\xFCrich"), "Zürich"},
		{"HTTP says Latin-1", "text/xml; charset=ISO-8859-1", gpvOf("Z\xFCrich"), "Zürich"},
		{"HTTP comes before the declaration", `text/xml; charset="iso-8859-1"`,
			`<?xml version="1.0" encoding="utf-8"?>` + gpvOf("\xC3\xBC"), "Ã¼"},
		{"the declaration", "text/xml", `<?xml version='1.0' encoding='ISO-8859-1' ?>` + gpvOf("\xFC"), "ü"},
		{"declared UTF-8, is not", "text/xml; charset=utf-8", gpvOf("\xFC"), "ü"},
		{"other charset", "text/xml; charset=windows-1251", gpvOf("\xC4\xE0"), "Да"},
		{"other charset, declared", "", `<?xml version="1.0" encoding="gb2312"?>` + gpvOf("\xD6\xD0"), "中"},
		{"nobody knows it", "text/xml; charset=x-klingon", gpvOf("ü"), "ü"},
		{"badly written", "text/xml;; charset = ; Charset=latin1", gpvOf("\xFC"), "ü"},
		{"UTF-16", "text/xml", utf16, "ü€"},
		{"UTF-16 claimed, is not", "", `<?xml version="1.0" encoding="utf-16"?>` + gpvOf("ü"), "ü"},
		{"UTF-8 with its mark", "text/xml", "\xEF\xBB\xBF" + gpvOf("ü"), "ü"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := params(decodeAs(t, tt.doc, tt.contentType))[0].Value; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestQuirk18BareAmpersandAndLess(t *testing.T) {
	t.Parallel()
	wantValues(t, map[string]string{
		"Tom & Jerry":                  "Tom & Jerry",
		"a&b;c":                        "a&b;c",
		"&":                            "&",
		"&&amp;&":                      "&&&",
		"&amp;amp;":                    "&amp;",
		"&lt;&gt;&quot;&apos;&#38;":    `<>"'&`,
		"&#x;&#;&#xZZ;&#12":            "&#x;&#;&#xZZ;&#12",
		"i <3 u":                       "i <3 u",
		"a<":                           "a<",
		"<<>>":                         "<<>>",
		"pass<word":                    "pass<word",
		`p<x"y`:                        `p<x"y`,
		"<free> wifi":                  "<free> wifi",
		"&lt;x <free> &amp; wifi":      "<x <free> & wifi",
		"<![CDATA[<a>&amp;]]>":         "<a>&amp;",
		"a<![CDATA[b]]>c<![CDATA[]]>d": "abcd",
		"&nbsp;":                       "&nbsp;",
	})
}

func TestQuirk19AroundTheEnvelope(t *testing.T) {
	t.Parallel()
	doc := gpvOf("x")
	for _, around := range []string{
		"%s", "\r\n%s", "\n \t%s\n", "\xEF\xBB\xBF%s", "%s\x00\x00\x00", "%s<?", "%s garbage <", "\x00%s",
		`<?xml version="1.0"?>` + "\n%s", "<!-- <Envelope> -->%s", "\n<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n%s",
	} {
		wantParams(t, strings.Replace(around, "%s", doc, 1), str("A.B", "x"))
	}
}

func TestQuirk20Order(t *testing.T) {
	t.Parallel()
	doc := `<s:Envelope><s:Body><c:Inform><RetryCount>1</RetryCount><ParameterList><P><X>0</X>` +
		`<Value xsi:type="xsd:string">v</Value><Name>A</Name></P></ParameterList><CurrentTime>t</CurrentTime><Event><E>` +
		`<CommandKey>k</CommandKey><EventCode>1 BOOT</EventCode></E></Event><DeviceId><SerialNumber>1</SerialNumber>` +
		`<OUI>0</OUI></DeviceId></c:Inform></s:Body><s:Header><c:ID>9</c:ID></s:Header></s:Envelope>`
	want := &cwmp.Envelope{ID: "9", Body: &cwmp.Inform{
		DeviceID: cwmp.DeviceID{OUI: "0", SerialNumber: "1"}, Events: []cwmp.Event{{Code: "1 BOOT", CommandKey: "k"}},
		CurrentTime: "t", RetryCount: 1, Params: []cwmp.ParameterValue{str("A", "v")},
	}}
	if got := decode(t, doc); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got.Body, want.Body)
	}
}

func TestQuirk21NameWithoutRoot(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		".ExternalIPAddress": "ExternalIPAddress", "\n.A.B": "A.B", "..A": "A", ". .A": "A", ".": "", "A.": "A.",
	} {
		doc := gpv("<P><Name>" + name + "</Name><Value xsi:type='string'>1</Value></P>")
		wantParams(t, doc, str(want, "1"))
	}
}

func TestQuirk22Duplicates(t *testing.T) {
	t.Parallel()
	one := `<P><Name>A</Name><Value xsi:type="xsd:string">1</Value></P>`
	two := `<P><Name>A</Name><Value xsi:type="xsd:string">2</Value></P>`
	wantParams(t, gpv(one+two), str("A", "1"), str("A", "2"))
}

func TestQuirk24SingleQuotesOneLine(t *testing.T) {
	t.Parallel()
	doc := strings.ReplaceAll(gpvOf("it's"), `"`, `'`)
	wantParams(t, doc, str("A.B", "it's"))
	wantParams(t, strings.Replace(gpvOf("x"), "<Value ", `<Value a='"' b=">" c='/>' `, 1), str("A.B", "x"))
}

func TestQuirk25EncodingStyle(t *testing.T) {
	t.Parallel()
	const attr = ` s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"`
	doc := strings.Replace(strings.Replace(gpvOf("x"), "<s:Body", "<s:Body"+attr, 1), "<s:Envelope", "<s:Envelope"+attr, 1)
	wantParams(t, doc, str("A.B", "x"))
}

func TestQuirk26OddIdentities(t *testing.T) {
	t.Parallel()
	doc := document(`<cwmp:Inform><DeviceId><Manufacturer/><OUI>48bf74</OUI><SerialNumber>m² / 1</SerialNumber>` +
		`</DeviceId></cwmp:Inform>`)
	id := decode(t, doc).Body.(*cwmp.Inform).DeviceID
	if want := (cwmp.DeviceID{OUI: "48bf74", SerialNumber: "m² / 1"}); id != want {
		t.Errorf("got %+v, want %+v", id, want)
	}
	if got, want := id.String(), "48BF74-m%C2%B2%20%2F%201"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestQuirk52HugeAnswer(t *testing.T) {
	t.Parallel()
	const n = 50_000
	env := decode(t, string(gpvResponse(n)))
	if got := len(params(env)); got != n {
		t.Errorf("got %d parameters, want %d", got, n)
	}
}

func TestQuirk54EmptyList(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		"<cwmp:GetParameterValuesResponse><ParameterList/></cwmp:GetParameterValuesResponse>",
		"<cwmp:GetParameterValuesResponse></cwmp:GetParameterValuesResponse>",
		"<cwmp:GetParameterValuesResponse/>",
	} {
		if got := decode(t, document(body)).Body; !reflect.DeepEqual(got, &cwmp.GetParameterValuesResponse{}) {
			t.Errorf("got %#v, want an empty response\n%s", got, body)
		}
	}
}

func TestQuirk56Writable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"0": false, "1": true, "true": true, "false": false, "": false, "TRUE": true, "\n True ": true, "2": true,
		"00": false, "yes": false,
	} {
		doc := document("<cwmp:GetParameterNamesResponse><ParameterList><ParameterInfoStruct><Name>A</Name><Writable>" +
			text + "</Writable></ParameterInfoStruct></ParameterList></cwmp:GetParameterNamesResponse>")
		got := decode(t, doc).Body.(*cwmp.GetParameterNamesResponse).Params[0].Writable
		if got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

func TestQuirk59NoStatus(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]int{
		"": 0, "<Status/>": 0, "<Status>OK</Status>": 0, "<Status> 01 </Status>": 1,
	} {
		doc := document("<cwmp:SetParameterValuesResponse>" + body + "</cwmp:SetParameterValuesResponse>")
		if got := decode(t, doc).Body.(*cwmp.SetParameterValuesResponse).Status; got != want {
			t.Errorf("%s: got %d, want %d", body, got, want)
		}
	}
}

// TestQuirk60And61ValuesAreKeptAsSent: booleans and times are not rewritten.
func TestQuirk60And61ValuesAreKeptAsSent(t *testing.T) {
	t.Parallel()
	for _, v := range []string{"0", "true", "2", "0000-00-00T00:00:00", "2019-03-05T11:54::14", "2019-03-05T11:54:14.000"} {
		for _, typ := range []cwmp.Type{cwmp.TypeBoolean, cwmp.TypeDateTime} {
			doc := gpv(`<P><Name>A</Name><Value t:type="x:` + typ.String() + `">` + v + `</Value></P>`)
			wantParams(t, doc, cwmp.ParameterValue{Name: "A", Value: v, Type: typ})
		}
	}
}

func TestQuirk62Numbers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]uint32{
		"00": 0, "+5": 5, "": 0, "3.7": 3, "30 s": 30, "-1": 0, "4294967295": 4294967295, "4294967296": 4294967295,
		"99999999999999999999999999": 4294967295, "x": 0, "\n 007\n": 7, "--1": 0,
	} {
		doc := document("<cwmp:Inform><RetryCount>" + text + "</RetryCount></cwmp:Inform>")
		if got := decode(t, doc).Body.(*cwmp.Inform).RetryCount; got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
	}
}
