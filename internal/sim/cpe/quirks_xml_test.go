// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/internal/sim/cpe"
)

// writes asserts what a CPE with the quirk sends: want has to be in it, as a
// regular expression, and never has not to be; "" is nothing. Besides its Inform
// it sends its answers to the requests, by which the ACS has understood it.
func writes(t *testing.T, quirk, want, never string, reqs ...cwmp.Request) {
	t.Helper()
	b := quirky(t, quirk)
	for _, req := range reqs {
		b.call(req)
	}
	all := b.acs.bodies()
	if !regexp.MustCompile(want).MatchString(all) {
		t.Errorf("%s: got %q, want %s in it", quirk, cut(all), want)
	}
	if never != "" && regexp.MustCompile(never).MatchString(all) {
		t.Errorf("%s: got %q, want no %s in it", quirk, cut(all), never)
	}
}

func cut(s string) string { return "… " + s[max(0, len(s)-1500):] }

var (
	deviceInfo = &cwmp.GetParameterValues{Names: []string{igd + "DeviceInfo."}}
	refused    = &cwmp.SetParameterValues{Params: []cwmp.ParameterValue{
		pv(igd+"DeviceInfo.SerialNumber", "1", cwmp.TypeString),
	}}
)

func TestQuirk01OddPrefixes(t *testing.T) {
	t.Parallel()
	const want = `xmlns:soap="http://schemas.xmlsoap.org/soap/encoding/".*<dsl:Inform>`
	writes(t, "odd-prefixes", want, "soap-env:|<cwmp:", deviceInfo)
}

func TestQuirk02Namespaces(t *testing.T) {
	t.Parallel()
	writes(t, "namespace-1-3", `="urn:dslforum-org:cwmp-1-3"`, "cwmp-1-[0-2]", deviceInfo)
	writes(t, "namespace-1-4", `="urn:dslforum-org:cwmp-1-4"`, "cwmp-1-[0-2]", deviceInfo)
	writes(t, "no-namespace", `<Inform>`, "cwmp-1-", deviceInfo)
}

func TestQuirk03NamespaceUnknown(t *testing.T) {
	t.Parallel()
	writes(t, "namespace-unknown", `="urn:dslforum-org:cwmp-2-7"`, "cwmp-1-", deviceInfo)
}

func TestQuirk04NoHeader(t *testing.T) {
	t.Parallel()
	writes(t, "no-header", `<soap-env:Body>`, "Header", deviceInfo)
}

func TestQuirk05IDs(t *testing.T) {
	t.Parallel()
	writes(t, "empty-id", `<cwmp:ID [^>]*></cwmp:ID>`, `<cwmp:ID [^>]*>[^<]`, deviceInfo)
	// The ACS of these tests gives all its requests the same ID, so that the first
	// response alone has an older one.
	writes(t, "old-id", `<cwmp:ID [^>]*></cwmp:ID></soap-env:Header><soap-env:Body><cwmp:GetP`, "", deviceInfo)
}

func TestQuirk06NoMoreRequests(t *testing.T) {
	t.Parallel()
	writes(t, "no-more-requests", `<cwmp:NoMoreRequests>0</cwmp:NoMoreRequests></soap-env:Header>`, "", deviceInfo)
}

func TestQuirk07SessionTimeout(t *testing.T) {
	t.Parallel()
	writes(t, "session-timeout-1-0", `cwmp-1-0.*<cwmp:SessionTimeout>60</cwmp:SessionTimeout>`, "cwmp-1-2")
}

func TestQuirk08Counts(t *testing.T) {
	t.Parallel()
	writes(t, "padded-counts", `EventStruct\[0002\]"`, "", deviceInfo)
	writes(t, "wrong-counts", `EventStruct\[12\]"`, `EventStruct\[2\]"`, deviceInfo)
}

func TestQuirk09Arrays(t *testing.T) {
	t.Parallel()
	writes(t, "no-array-type", `<ParameterList>`, "arrayType", deviceInfo)
	writes(t, "any-type-arrays", `arrayType="xsd:anyType\[\]"`, `Struct\[`, deviceInfo)
}

func TestQuirk10NoValueType(t *testing.T) {
	t.Parallel()
	writes(t, "no-value-type", `<Value>`, "xsi:type", deviceInfo)
}

func TestQuirk11OddValueType(t *testing.T) {
	t.Parallel()
	writes(t, "odd-value-type", `(?s)<Value xsi:type="xsd:">.*"xsd:unsignedint">`, "xsd:string", deviceInfo)
}

func TestQuirk12NoEmptyValue(t *testing.T) {
	t.Parallel()
	writes(t, "no-empty-value", `ParameterKey</Name></ParameterValueStruct>`, `<Value [^>]*></Value>`, deviceInfo)
}

func TestQuirk13Faults(t *testing.T) {
	t.Parallel()
	writes(t, "bare-fault", `<faultstring>9003 Invalid arguments</faultstring></soap-env:Fault>`, "detail", refused)
	writes(t, "mute-fault", `<faultstring>cannot</faultstring></soap-env:Fault>`, "detail|9003", refused)
}

func TestQuirk14NoParameterFaults(t *testing.T) {
	t.Parallel()
	writes(t, "no-parameter-faults", `<FaultCode>9003</FaultCode>`, "SetParameterValuesFault", refused)
}

func TestQuirk15Blanks(t *testing.T) {
	t.Parallel()
	writes(t, "blanks", `<SerialNumber>\n +7\n +</SerialNumber>`, `<SerialNumber>7<`, deviceInfo)
}

func TestQuirk16ControlCharacters(t *testing.T) {
	t.Parallel()
	writes(t, "control-characters", `ModelName</Name><Value [^>]*>[^<]*&#x2;\x02</Value>`, "", deviceInfo)
}

func TestQuirk17Latin1(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"latin-1", "latin-1-unsaid"} {
		b := quirky(t, name)
		got := value(t, b, deviceInfo, "ModelName")
		all := b.acs.bodies()
		if !strings.HasSuffix(got, "é") || strings.Contains(all, "é") || !strings.Contains(all, "\xe9<") {
			t.Errorf("%s: got ModelName %q, want it to end in an é of one byte", name, got)
		}
		b.acs.mu.Lock()
		said := b.acs.raws[0].Header.Get("Content-Type")
		b.acs.mu.Unlock()
		if (said == "text/xml; charset=ISO-8859-1") != (name == "latin-1") {
			t.Errorf("%s: got Content-Type %q", name, said)
		}
	}
}

// value is a parameter of the answer to a GetParameterValues, by the end of its
// name.
func value(t *testing.T, b *bench, req cwmp.Request, end string) string {
	t.Helper()
	for _, p := range must[*cwmp.GetParameterValuesResponse](b, req).Params {
		if strings.HasSuffix(p.Name, "."+end) {
			return p.Value
		}
	}
	t.Fatalf("no %s in the answer", end)
	return ""
}

func TestQuirk18BareAmpersand(t *testing.T) {
	t.Parallel()
	writes(t, "bare-ampersand", `ModelName</Name><Value [^>]*>[^<]* R&D</Value>`, "&amp;", deviceInfo)
}

func TestQuirk19Surroundings(t *testing.T) {
	t.Parallel()
	writes(t, "surroundings", "^\ufeff\r\n<soap-env:Envelope.*</soap-env:Envelope>\x00\x00", "", deviceInfo)
}

func TestQuirk20ElementOrder(t *testing.T) {
	t.Parallel()
	writes(t, "element-order", `</RetryCount><Event `, "")
}

func TestQuirk21RootlessNames(t *testing.T) {
	t.Parallel()
	writes(t, "rootless-names", `<Name>\.ExternalIPAddress</Name>`, "")
}

func TestQuirk22OtherParameters(t *testing.T) {
	t.Parallel()
	two := &cwmp.GetParameterValues{Names: []string{igd + "DeviceInfo.ModelName", igd + "DeviceInfo.HardwareVersion"}}
	b := quirky(t, "extra-parameters")
	got := must[*cwmp.GetParameterValuesResponse](b, two).Params
	if len(got) != 4 || got[2] != got[0] || got[3].Name != igd+"X_SIM_Unasked" {
		t.Errorf("extra-parameters: got %v, want the first twice and another", got)
	}
	b = quirky(t, "fewer-parameters")
	if got := must[*cwmp.GetParameterValuesResponse](b, two).Params; len(got) != 1 {
		t.Errorf("fewer-parameters: got %v, want one", got)
	}
}

func TestQuirk23OddSummary(t *testing.T) {
	t.Parallel()
	writes(t, "odd-summary", `DeviceSummary</Name><Value [^>]*>InternetGatewayDevice:1.1\[\] \(`, "")
}

func TestQuirk24SingleQuotes(t *testing.T) {
	t.Parallel()
	writes(t, "single-quotes", `xmlns:cwmp='urn`, `="`, deviceInfo)
}

func TestQuirk25EncodingStyle(t *testing.T) {
	t.Parallel()
	const want = `^<soap-env:Envelope [^>]* soap-env:encodingStyle=.*<soap-env:Body soap-env:encodingStyle=`
	writes(t, "encoding-style", want, "", deviceInfo)
}

func TestQuirk26OddIdentity(t *testing.T) {
	t.Parallel()
	writes(t, "odd-identity", `<Manufacturer></Manufacturer>.*<ProductClass></ProductClass><SerialNumber>A /²7<`, "")
}

func TestQuirk27SameSerial(t *testing.T) {
	t.Parallel()
	writes(t, "same-serial", `<SerialNumber>000000</SerialNumber>`, "")
}

func TestQuirk46Clock1970(t *testing.T) {
	t.Parallel()
	writes(t, "clock-1970", `<CurrentTime>1970-01-01T00:00:41\+00:00</CurrentTime>`, "")
}

func TestQuirk56OddWritable(t *testing.T) {
	t.Parallel()
	names := &cwmp.GetParameterNames{Path: igd + "DeviceInfo."}
	writes(t, "odd-writable", `<Writable></Writable>.*<Writable>true</Writable>`, "<Writable>[01]", names)
}

func TestQuirk59Status(t *testing.T) {
	t.Parallel()
	set := set(wlan+"SSID", "x", cwmp.TypeString)
	writes(t, "no-status", `<cwmp:SetParameterValuesResponse></cwmp:SetParameterValuesResponse>`, "", set)
	writes(t, "status-one", `<cwmp:SetParameterValuesResponse><Status>1</Status>`, "", set)
	b := quirky(t, "fault-though-set")
	if got := faultOf(b.call(set)); got != 9002 {
		t.Errorf("fault-though-set: got fault %d, want 9002", got)
	}
	if got, _ := b.cpe.Value(wlan + "SSID"); got != "x" {
		t.Errorf("fault-though-set: got SSID %q, want x", got)
	}
}

func TestQuirk61Times(t *testing.T) {
	t.Parallel()
	all := &cwmp.GetParameterValues{Names: []string{igd}}
	writes(t, "odd-times", `0000-00-00T00:00:00<.*2019-03-05T11:54::14<`, `dateTime">00001`, all)
}

func TestQuirk62OddNumbers(t *testing.T) {
	t.Parallel()
	all := &cwmp.GetParameterValues{Names: []string{igd + "ManagementServer.", igd + "DeviceInfo."}}
	writes(t, "odd-numbers", `unsignedInt">\+[0-9]+<`, `unsignedInt">[1-9]`, all)
}

func TestQuirk63OddEnums(t *testing.T) {
	t.Parallel()
	all := &cwmp.GetParameterValues{Names: []string{igd}}
	writes(t, "odd-enums", `\.Standard</Name><Value [^>]*>b,g,n,ac<`, "", all)
	writes(t, "odd-enums", `WANAccessType</Name><Value [^>]*>GPON<`, "", all)
}

func TestQuirk67StatusText(t *testing.T) {
	t.Parallel()
	writes(t, "status-text", `<InstanceNumber>2</InstanceNumber><Status>OK</Status>`, "", &cwmp.AddObject{ObjectName: pm})
}

func TestQuirk81RetryCountGrows(t *testing.T) {
	t.Parallel()
	b := quirky(t, "retry-count-grows")
	b.cpe.Raise(cwmp.Event{Code: cwmp.EventPeriodic})
	if got := b.inform().RetryCount; got != 1482 {
		t.Errorf("got RetryCount %d, want 1482 though nothing failed", got)
	}
}

func TestQuirk84LongTexts(t *testing.T) {
	t.Parallel()
	writes(t, "long-id", `<cwmp:ID [^>]*>(0123456789){10}1<`, "", deviceInfo)
	writes(t, "free-text-identity", `<OUI>[0-9]{24}</OUI><ProductClass>Set-top box .* &amp; more`, "")
}

// Every switch has a number, a name of its own and a sentence, and can be
// switched on by them.
func TestQuirksAreListed(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, q := range cpe.AllQuirks() {
		if q.Name == "" || q.Does == "" || q.Number < 0 || q.Number > 84 || seen[q.Name] {
			t.Errorf("got %+v", q)
		}
		seen[q.Name] = true
		var on cpe.Quirks
		if err := on.Turn(q.Name); err != nil || on == (cpe.Quirks{}) {
			t.Errorf("%s: got %+v, %v", q.Name, on, err)
		}
	}
	var on cpe.Quirks
	if err := on.Turn("28"); err != nil || on != (cpe.Quirks{NoCookies: true}) {
		t.Errorf("28: got %+v, %v", on, err)
	}
	for _, wrong := range []string{"", "0", "70", "no-such"} {
		if err := on.Turn(wrong); err == nil {
			t.Errorf("%q: got no error", wrong)
		}
	}
}
