// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap_test

import (
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
		cwmp.Namespace10:            cwmp.Namespace10,
		cwmp.Namespace11:            cwmp.Namespace11,
		cwmp.Namespace12:            cwmp.Namespace12,
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
	want := `<cwmp:ID soap-env:mustUnderstand="1"></cwmp:ID>`
	if env.NoID || env.ID != "" || err != nil || !strings.Contains(string(out), want) {
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
		want := `soap-enc:arrayType="cwmp:ParameterValueStruct[1]"`
		if len(params(env)) != 1 || err != nil || !strings.Contains(string(out), want) {
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
		`<s:Fault><faultstring>gone</faultstring><detail/></s:Fault>`: {
			Code: 9002, Text: "gone",
		},
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
		"0": false, "1": true, "true": true, "false": false, "": false, "TRUE": true, "\nTrue\n": true, "2": true,
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
	for _, v := range []string{
		"0", "true", "2", "0000-00-00T00:00:00", "2019-03-05T11:54::14", "2019-03-05T11:54:14.000",
	} {
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
