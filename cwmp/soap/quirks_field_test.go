// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/soap"
)

// The quirks of values and names that the codec passes on as they are, of the
// style in which a peer wants an envelope, and of single fields.

// quirksOfBytes are the rows of the table of quirks that can be told from the
// bytes of one envelope.
func quirksOfBytes() []int {
	var rows []int
	for n := 1; n <= 26; n++ {
		rows = append(rows, n)
	}
	return append(rows, 46, 49, 52, 54, 56, 59, 60, 61, 62, 63, 64, 65, 66, 67, 69, 70, 74, 75, 84)
}

// TestEveryQuirkOfBytesHasATest fails for a row that no test is named after.
func TestEveryQuirkOfBytesHasATest(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`^TestQuirk((?:\d\d|And)+)[A-Z]`)
	tested := map[int]bool{}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || !strings.HasPrefix(fn.Name.Name, "TestQuirk") {
				continue
			}
			m := name.FindStringSubmatch(fn.Name.Name)
			if m == nil {
				t.Fatalf("%s: got %s, want numbers of two digits", file, fn.Name.Name)
			}
			for number := range strings.SplitSeq(m[1], "And") {
				n, err := strconv.Atoi(number)
				if err != nil {
					t.Fatalf("%s: %v", fn.Name.Name, err)
				}
				tested[n] = true
			}
		}
	}
	for _, n := range quirksOfBytes() {
		if !tested[n] {
			t.Errorf("quirk %d has no test", n)
		}
	}
}

// passedOn decodes a response with the raw value, and writes what came of it:
// both times the text must be want.
func passedOn(t *testing.T, name, typ, raw, want string) {
	t.Helper()
	doc := gpv(`<ParameterValueStruct><Name>` + name + `</Name><Value xsi:type="xsd:` + typ + `">` + raw +
		`</Value></ParameterValueStruct>`)
	env := decode(t, doc)
	if got := params(env)[0]; got.Name != name || got.Value != want {
		t.Errorf("got %s=%q, want %s=%q", got.Name, got.Value, name, want)
	}
	out, err := soap.Append(nil, env)
	if err != nil {
		t.Fatal(err)
	}
	wantParams(t, string(out), cwmp.ParameterValue{Name: name, Value: want, Type: cwmp.ParseType(typ)})
}

func TestQuirk23DeviceSummary(t *testing.T) {
	t.Parallel()
	const name = "InternetGatewayDevice.DeviceSummary"
	for raw, want := range map[string]string{
		"InternetGatewayDevice:1.0[] (Baseline:1)":       "InternetGatewayDevice:1.0[] (Baseline:1)",
		"IGD:1.4[](Baseline:1, X_001349_Com:1),\n\tV:1 ": "IGD:1.4[](Baseline:1, X_001349_Com:1),\n\tV:1 ",
		"\n\t\t\tDevice:1.0[](Baseline:1)\n\t\t":         "Device:1.0[](Baseline:1)",
		"":                                               "",
	} {
		passedOn(t, name, "string", raw, want)
	}
}

func TestQuirk46ClockOf1970(t *testing.T) {
	t.Parallel()
	for _, now := range []string{
		"1970-01-01T00:00:32", "1970-01-01T00:00:32+00:00", "1969-12-31T23:59:59.999-01:00", "0001-01-01T00:00:00Z", "",
	} {
		doc := document("<cwmp:Inform><CurrentTime>" + now + "</CurrentTime></cwmp:Inform>")
		if got := decode(t, doc).Body.(*cwmp.Inform).CurrentTime; got != now {
			t.Errorf("got %q, want %q", got, now)
		}
	}
}

func styled(t *testing.T, s soap.Style, m cwmp.Message) string {
	t.Helper()
	out, err := s.Append(nil, &cwmp.Envelope{Namespace: cwmp.Namespace10, Body: m})
	if err != nil {
		t.Fatal(err)
	}
	strictly(t, out, cwmp.Namespace10)
	return string(out)
}

func TestQuirk49NextLevelLiteral(t *testing.T) {
	t.Parallel()
	for style, want := range map[soap.Booleans][2]string{
		soap.BooleansAsGiven: {"0", "1"}, soap.BooleansDigits: {"0", "1"}, soap.BooleansWords: {"false", "true"},
	} {
		for i, next := range []bool{false, true} {
			doc := styled(t, soap.Style{Booleans: style}, &cwmp.GetParameterNames{Path: "Device.", NextLevel: next})
			if text := "<NextLevel>" + want[i] + "</NextLevel>"; !strings.Contains(doc, text) {
				t.Errorf("style %d: got %s, want %s", style, doc, text)
			}
			if got := decode(t, doc).Body.(*cwmp.GetParameterNames).NextLevel; got != next {
				t.Errorf("style %d: read back as %v, want %v", style, got, next)
			}
		}
	}
}

func TestQuirk60BooleansInTheStyleOfThePeer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		style soap.Booleans
		want  string
	}{
		{soap.BooleansAsGiven, "true|false|1|0|2||TRUE"},
		{soap.BooleansDigits, "1|0|1|0|2||TRUE"},
		{soap.BooleansWords, "true|false|true|false|2||TRUE"},
	} {
		m := &cwmp.SetParameterValues{}
		for _, v := range []string{"true", "false", "1", "0", "2", "", "TRUE"} {
			m.Params = append(m.Params, cwmp.ParameterValue{Name: "A", Value: v, Type: cwmp.TypeBoolean})
		}
		m.Params = append(m.Params, str("B", "true"), cwmp.ParameterValue{Name: "C", Value: "1", Type: cwmp.TypeInt})
		var got []string
		for _, p := range params(decode(t, styled(t, soap.Style{Booleans: tt.style}, m))) {
			got = append(got, p.Value)
		}
		if text := strings.Join(got, "|"); text != tt.want+"|true|1" {
			t.Errorf("style %d: got %s, want %s|true|1", tt.style, text, tt.want)
		}
	}
}

func TestQuirk61WholeSeconds(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"2024-02-29T12:34:56.000Z":      "2024-02-29T12:34:56Z",
		"2024-02-29T12:34:56.5+01:00":   "2024-02-29T12:34:56+01:00",
		"2024-02-29T12:34:56.123456":    "2024-02-29T12:34:56",
		"2024-02-29T12:34:56Z":          "2024-02-29T12:34:56Z",
		"0000-00-00T00:00:00":           "0000-00-00T00:00:00",
		"29.02.2024":                    "29.02.2024",
		"2019-03-05T11:54::14.":         "2019-03-05T11:54::14",
		"":                              "",
		"2024-02-29T12:34:56.000 (UTC)": "2024-02-29T12:34:56 (UTC)",
	} {
		m := &cwmp.SetParameterValues{Params: []cwmp.ParameterValue{
			{Name: "A", Value: value, Type: cwmp.TypeDateTime}, str("B", value),
		}}
		got := params(decode(t, styled(t, soap.Style{WholeSeconds: true}, m)))
		if got[0].Value != want || got[1].Value != value {
			t.Errorf("%q: got %q, and %q as a string; want %q", value, got[0].Value, got[1].Value, want)
		}
	}
}

func TestQuirk63Enumerations(t *testing.T) {
	t.Parallel()
	const wlan = "InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.Standard"
	const wan = "InternetGatewayDevice.WANDevice.1.WANCommonInterfaceConfig.WANAccessType"
	const power = "InternetGatewayDevice.WANDevice.1.X_GponInterfaceConfig.RXPower"
	for _, v := range []string{"b,g,n", "a,n,ac", "11ac", "bg", " n "} {
		passedOn(t, wlan, "string", v, v)
	}
	for _, v := range []string{"GPON", "WiMAX", "USB_3G", "3GDongle", ""} {
		passedOn(t, wan, "string", v, v)
	}
	passedOn(t, power, "int", "-21", "-21")
	passedOn(t, power, "string", "-21.5 dBm", "-21.5 dBm")
	passedOn(t, power, "unsignedInt", "\n 79 ", "79")
}

func TestQuirk64MisspeltNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"InternetGatewayDevice.WANDevice.1.X_GponInterafceConfig.Status",
		"InternetGatewayDevice.IPPingDiagnostics.MinimumResponseTmie",
		"InternetGatewayDevice.Services.VoiceService.1.VoiceProfile.1.Line.1.CallingFeatures.AnonymousCalEnable",
	} {
		passedOn(t, name, "string", "Disconneting", "Disconneting")
	}
}

func TestQuirk65VendorObjectsWithoutPrefix(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"InternetGatewayDevice.LANDevice.1.WIFI.Radio.1.Enable", "InternetGatewayDevice.OperatorProfile.1.x-y_z",
		"InternetGatewayDevice.LANDevice.1.WLANConfiguration.AC", "Device.Größe", "device.lower..twice",
	} {
		passedOn(t, name, "string", "v", "v")
		doc := document("<cwmp:GetParameterNamesResponse><ParameterList><ParameterInfoStruct><Name>" + name +
			".</Name><Writable>0</Writable></ParameterInfoStruct></ParameterList></cwmp:GetParameterNamesResponse>")
		got := decode(t, doc).Body.(*cwmp.GetParameterNamesResponse).Params[0].Name
		if got != name+"." {
			t.Errorf("got %q, want %q", got, name+".")
		}
	}
}

func TestQuirk66AddObjectResponse(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]cwmp.AddObjectResponse{
		"<InstanceNumber>7</InstanceNumber><Status>0</Status>":        {InstanceNumber: 7},
		"<Status>1</Status><InstanceNumber>\n 0012 </InstanceNumber>": {InstanceNumber: 12, Status: 1},
		"<InstanceNumber>5.</InstanceNumber>":                         {InstanceNumber: 5},
		"<InstanceNumber/><Status/>":                                  {},
		"":                                                            {},
	} {
		got := decode(t, document("<cwmp:AddObjectResponse>"+body+"</cwmp:AddObjectResponse>")).Body
		if !reflect.DeepEqual(got, &want) {
			t.Errorf("%s: got %+v, want %+v", body, got, want)
		}
	}
}

func TestQuirk67DotAndStatus(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Device.WiFi.SSID.": "Device.WiFi.SSID.", "Device.WiFi.SSID": "Device.WiFi.SSID.", "": "",
	} {
		for _, m := range []cwmp.Message{&cwmp.AddObject{ObjectName: name}, &cwmp.DeleteObject{ObjectName: name}} {
			if doc := styled(t, soap.Style{}, m); !strings.Contains(doc, "<ObjectName>"+want+"</ObjectName>") {
				t.Errorf("%s %q: got %s, want %q", m.Method(), name, doc, want)
			}
		}
	}
	for text, want := range map[string]int{"0": 0, "1": 1, "Success": 0, "1 (reboot)": 1, " \n1": 1} {
		doc := document("<cwmp:DeleteObjectResponse><Status>" + text + "</Status></cwmp:DeleteObjectResponse>")
		if got := decode(t, doc).Body.(*cwmp.DeleteObjectResponse).Status; got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
	}
}

func TestQuirk69TransferCompleteKeys(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]cwmp.TransferComplete{
		"<CommandKey></CommandKey><FaultStruct><FaultCode>0</FaultCode><FaultString/></FaultStruct>": {},
		"<FaultStruct><FaultCode>9015</FaultCode></FaultStruct>": {
			Fault: cwmp.Fault{Code: 9015},
		},
		"<CommandKey>\n  other\n</CommandKey>": {CommandKey: "other"},
		"<CommandKey/><FaultStruct/><StartTime/><CompleteTime>Unknown Time</CompleteTime>": {
			CompleteTime: "Unknown Time",
		},
		"<FaultStruct><FaultString>Failure 9010</FaultString></FaultStruct>": {
			Fault: cwmp.Fault{Text: "Failure 9010"},
		},
	} {
		got := decode(t, document("<cwmp:TransferComplete>"+body+"</cwmp:TransferComplete>")).Body
		if !reflect.DeepEqual(got, &want) {
			t.Errorf("%s: got %+v, want %+v", body, got, want)
		}
	}
}

// TestQuirk70NamesOfResponsesAreStrict: a response is read and written by its
// own name, and one for another method is not taken for it.
func TestQuirk70NamesOfResponsesAreStrict(t *testing.T) {
	t.Parallel()
	s, err := cwmpSchema()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range s.Elements {
		if e.Name == "Fault" {
			continue
		}
		m := decode(t, document("<cwmp:"+e.Name+"/>")).Body
		if got := reflect.TypeOf(m).Elem().Name(); got != e.Name {
			t.Errorf("%s: got a %s", e.Name, got)
		}
		if doc := styled(t, soap.Style{}, m); !strings.Contains(doc, "<soap-env:Body><cwmp:"+e.Name+">") {
			t.Errorf("%s: got %s", e.Name, doc)
		}
	}
}

func TestQuirk74DiagnosticsStates(t *testing.T) {
	t.Parallel()
	for _, v := range []string{"Complete", "Completed", "Requested", "None", "Error_CannotResolveHostName", "complete"} {
		passedOn(t, "InternetGatewayDevice.IPPingDiagnostics.DiagnosticsState", "string", v, v)
	}
}

func TestQuirk75UnknownMethods(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"X_00D09E_Dance", "x-y.z", "Größe", "informresponse", "InformX"} {
		doc := document("<cwmp:" + name + "><Deep><Deeper>1 &amp; 2</Deeper></Deep></cwmp:" + name + ">")
		if got := decode(t, doc).Body; !reflect.DeepEqual(got, &cwmp.Unknown{Name: name}) {
			t.Errorf("got %#v, want Unknown %s", got, name)
		}
	}
}

func TestQuirk84LongIdentities(t *testing.T) {
	t.Parallel()
	want := cwmp.DeviceID{
		Manufacturer: strings.Repeat("Maker ", 40) + ".", OUI: strings.Repeat("0123456789AB", 2),
		ProductClass: "Android TV (4K), rev. 2/" + strings.Repeat("x", 200),
		SerialNumber: strings.Repeat("0123456789abcdef", 16),
	}
	key := strings.Repeat("k", 300)
	doc := document("<cwmp:Inform><DeviceId><Manufacturer>" + want.Manufacturer + "</Manufacturer><OUI>" + want.OUI +
		"</OUI><ProductClass>" + want.ProductClass + "</ProductClass><SerialNumber>" + want.SerialNumber +
		"</SerialNumber></DeviceId><Event><EventStruct><EventCode>M Download</EventCode><CommandKey>" + key +
		"</CommandKey></EventStruct></Event></cwmp:Inform>")
	in := decode(t, doc).Body.(*cwmp.Inform)
	if in.DeviceID != want || in.Events[0].CommandKey != key {
		t.Errorf("got %+v, %v; want %+v", in.DeviceID, in.Events, want)
	}
}
