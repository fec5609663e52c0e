// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap_test

import (
	"encoding/xml"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/soap"
	"github.com/uspgate/uspgate/cwmp/trace"
)

var update = flag.Bool("update", false, "rewrite testdata")

type vector struct {
	name string
	env  cwmp.Envelope
}

// vectors has every message in the form that survives a round trip.
// testdata/wire has the bytes, one file per row.
func vectors() []vector {
	params := []cwmp.ParameterValue{
		{Name: "Device.DeviceInfo.UpTime", Value: "0", Type: cwmp.TypeUnsignedInt},
		{Name: "Device.WiFi.SSID.1.SSID", Value: `<Tom & "Jerry's">` + "\ttab\r\nline", Type: cwmp.TypeString},
		{Name: "Device.WiFi.SSID.1.Enable", Value: "true", Type: cwmp.TypeBoolean},
		{Name: "Device.X_Int", Value: "-5", Type: cwmp.TypeInt},
		{Name: "Device.X_Long", Value: "-5000000000", Type: cwmp.TypeLong},
		{Name: "Device.X_ULong", Value: "5000000000", Type: cwmp.TypeUnsignedLong},
		{Name: "Device.Time.CurrentLocalTime", Value: "0001-01-01T00:00:00Z", Type: cwmp.TypeDateTime},
		{Name: "Device.X_Base64", Value: "AAEC", Type: cwmp.TypeBase64},
		{Name: "Device.X_Hex", Value: "00ff", Type: cwmp.TypeHexBinary},
		{Name: "Device.X_Blank", Value: "  two before, two after  ", Type: cwmp.TypeString},
		{Name: "Device.X_Newline", Value: "\nfirst", Type: cwmp.TypeString},
		{Name: "Device.X_Empty", Type: cwmp.TypeString},
		{Name: "Device.X_Wide", Value: "Zürich 東京 😀", Type: cwmp.TypeString},
	}
	return slices.Concat(fromCPE(params), fromACS(params), optionalFromCPE(), optionalFromACS())
}

func fromCPE(params []cwmp.ParameterValue) []vector {
	with := func(m cwmp.Message) cwmp.Envelope {
		return cwmp.Envelope{Namespace: cwmp.Namespace12, ID: "7", Body: m}
	}
	inform := cwmp.Inform{
		DeviceID: cwmp.DeviceID{Manufacturer: "A & B", OUI: "0011AA", ProductClass: "Box/2", SerialNumber: "S 1"},
		Events:   []cwmp.Event{{Code: cwmp.EventBoot}, {Code: cwmp.EventMReboot, CommandKey: "key"}},
		Params:   params, MaxEnvelopes: 1, CurrentTime: "1970-01-01T00:00:10Z", RetryCount: 0,
	}
	headers := with(&cwmp.Inform{
		Events: []cwmp.Event{{Code: cwmp.EventPeriodic}}, MaxEnvelopes: 2, CurrentTime: "no time", RetryCount: 99,
	})
	headers.SessionTimeout, headers.SupportedVersions = 40, "1.0,1.1,1.2,1.3,1.4"
	return []vector{
		{"inform", with(&inform)},
		{"inform_headers", headers},
		{"transfer_complete", with(&cwmp.TransferComplete{
			CommandKey: "c", StartTime: "2024-01-01T00:00:00Z", CompleteTime: "2024-01-01T00:01:00Z",
		})},
		{"transfer_complete_fault", with(&cwmp.TransferComplete{
			Fault: cwmp.Fault{Code: 9010, Text: "Download failure"}, StartTime: "t", CompleteTime: "t",
		})},
		{"get_rpc_methods", with(&cwmp.GetRPCMethods{})},
		{"get_rpc_methods_response", with(&cwmp.GetRPCMethodsResponse{Methods: []string{"Inform", "X_001122_M"}})},
		{"set_parameter_values_response", with(&cwmp.SetParameterValuesResponse{Status: 1})},
		{"get_parameter_values_response", with(&cwmp.GetParameterValuesResponse{Params: params})},
		{"get_parameter_values_response_empty", with(&cwmp.GetParameterValuesResponse{})},
		{"get_parameter_names_response", with(&cwmp.GetParameterNamesResponse{Params: []cwmp.ParameterInfo{
			{Name: "Device.", Writable: false}, {Name: "Device.WiFi.SSID.", Writable: true}, {Name: "Device.X"},
		}})},
		{"set_parameter_attributes_response", with(&cwmp.SetParameterAttributesResponse{})},
		{"get_parameter_attributes_response", with(&cwmp.GetParameterAttributesResponse{
			Params: []cwmp.ParameterAttribute{
				{Name: "Device.A", Notification: 2, AccessList: []string{"Subscriber", "X_All"}}, {Name: "Device.B"},
			},
		})},
		{"add_object_response", with(&cwmp.AddObjectResponse{InstanceNumber: 4294967295})},
		{"delete_object_response", with(&cwmp.DeleteObjectResponse{})},
		{"reboot_response", with(&cwmp.RebootResponse{})},
		{"factory_reset_response", with(&cwmp.FactoryResetResponse{})},
		{"download_response", with(&cwmp.DownloadResponse{
			Status: 1, StartTime: "0001-01-01T00:00:00Z", CompleteTime: "0001-01-01T00:00:00Z",
		})},
		{"fault", with(&cwmp.Fault{Code: 9001, Text: "Request denied"})},
		{"fault_parameters", with(&cwmp.Fault{Code: 9003, Text: "Invalid arguments", Params: []cwmp.ParameterFault{
			{Name: "Device.A", Code: 9008, Text: "read only"}, {Name: "Device.B", Code: 9007},
		}})},
	}
}

func fromACS(params []cwmp.ParameterValue) []vector {
	with := func(m cwmp.Message) cwmp.Envelope {
		return cwmp.Envelope{Namespace: cwmp.Namespace10, ID: "a<b", Body: m}
	}
	hold := with(&cwmp.GetParameterNames{Path: "Device."})
	hold.HoldRequests = true
	version := with(&cwmp.InformResponse{MaxEnvelopes: 1})
	version.UseVersion = "1.4"
	return []vector{
		{"no_header", cwmp.Envelope{Namespace: cwmp.Namespace10, NoID: true, Body: &cwmp.InformResponse{MaxEnvelopes: 1}}},
		{"empty_id", cwmp.Envelope{Namespace: cwmp.Namespace10, Body: &cwmp.InformResponse{MaxEnvelopes: 1}}},
		{"empty_body", cwmp.Envelope{Namespace: cwmp.Namespace11, ID: "1"}},
		{"inform_response_version", version},
		{"transfer_complete_response", with(&cwmp.TransferCompleteResponse{})},
		{"set_parameter_values", with(&cwmp.SetParameterValues{Params: params, ParameterKey: "k"})},
		{"get_parameter_values", with(&cwmp.GetParameterValues{Names: []string{"Device.WiFi.", "Device.Time.Status"}})},
		{"get_parameter_names", with(&cwmp.GetParameterNames{NextLevel: true})},
		{"get_parameter_names_hold", hold},
		{"set_parameter_attributes", with(&cwmp.SetParameterAttributes{Params: []cwmp.SetAttribute{
			{Name: "Device.A", NotificationChange: true, Notification: 2},
			{Name: "Device.B", AccessListChange: true, AccessList: []string{"Subscriber"}},
		}})},
		{"get_parameter_attributes", with(&cwmp.GetParameterAttributes{Names: []string{"Device.A"}})},
		{"add_object", with(&cwmp.AddObject{ObjectName: "Device.WiFi.SSID."})},
		{"delete_object", with(&cwmp.DeleteObject{ObjectName: "Device.WiFi.SSID.2.", ParameterKey: "k"})},
		{"reboot", with(&cwmp.Reboot{CommandKey: "c"})},
		{"factory_reset", with(&cwmp.FactoryReset{})},
		{"download", with(&cwmp.Download{
			CommandKey: "c", FileType: "1 Firmware Upgrade Image", URL: "https://h/f?a=1&b=2", Username: "u",
			Password: " p<&> ", FileSize: 4294967295, TargetFileName: "f", DelaySeconds: 5, SuccessURL: "s", FailureURL: "e",
		})},
		{"download_zero", with(&cwmp.Download{})},
		{"fault_acs", with(&cwmp.Fault{Code: 8005, Text: "Retry request"})},
	}
}

// TestWire holds message and bytes together in both directions, asks the
// oracle for its opinion, and applies the rules of strict peers.
func TestWire(t *testing.T) {
	t.Parallel()
	for _, v := range vectors() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			got, err := soap.Append(nil, &v.env)
			if err != nil {
				t.Fatalf("Append: %v", err)
			}
			file := filepath.Join("testdata", "wire", v.name+".xml")
			if want := golden(t, file, got); string(got) != string(want) {
				t.Errorf("Append: got\n%s\nwant\n%s", got, want)
			}
			env, err := soap.DecodeBytes(got, "text/xml", soap.Limits{})
			if err != nil {
				t.Fatalf("Decode: %v", err)
			}
			if !reflect.DeepEqual(env, &v.env) {
				t.Errorf("Decode: got\n%s\n%#v\nwant\n%s\n%#v", trace.Envelope(env), env.Body, trace.Envelope(&v.env), v.env.Body)
			}
			strictly(t, got, v.env.Namespace)
			oracleAgrees(t, got, env, false)
		})
	}
}

// TestTolerant decodes documents as the field writes them; the trace of each
// lies beside it. The wire vectors have their traces too.
func TestTolerant(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"tolerant", "wire"} {
		files, err := filepath.Glob(filepath.Join("testdata", dir, "*.xml"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no documents in %s: %v", dir, err)
		}
		for _, file := range files {
			doc, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			env, err := soap.DecodeBytes(doc, "text/xml", soap.Limits{})
			if err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			got := trace.Envelope(env) + "\n"
			if want := golden(t, strings.TrimSuffix(file, ".xml")+".txt", []byte(got)); got != string(want) {
				t.Errorf("%s: got\n%s\nwant\n%s", file, got, want)
			}
			stable(t, env)
		}
	}
}

// TestEveryMessageHasAVector fails for a message without a file.
func TestEveryMessageHasAVector(t *testing.T) {
	t.Parallel()
	s, err := cwmpSchema()
	if err != nil {
		t.Fatalf("cwmp.xsd: %v", err)
	}
	have := map[string]bool{}
	for _, v := range vectors() {
		if v.env.Body != nil {
			have[v.env.Body.Method()] = true
		}
	}
	for _, e := range s.Elements {
		if !have[e.Name] {
			t.Errorf("%s has no vector", e.Name)
		}
	}
	if len(s.Elements) < 55 {
		t.Errorf("cwmp.xsd has only %d elements", len(s.Elements))
	}
}

// golden returns the content of the file, after writing got there with
// -update.
func golden(t *testing.T, file string, got []byte) []byte {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return want
}

// oracleAgrees compares what soap read in doc with what encoding/xml and the
// gowsdl types read there.
func oracleAgrees(t *testing.T, doc []byte, env *cwmp.Envelope, pretty bool) {
	t.Helper()
	var o oracleEnvelope
	if err := xml.Unmarshal(doc, &o); err != nil {
		t.Fatalf("encoding/xml: %v", err)
	}
	if o.Header.ID == nil != env.NoID || o.Header.ID != nil && strings.TrimSpace(*o.Header.ID) != env.ID {
		t.Errorf("got ID %q (none: %v), the oracle differs", env.ID, env.NoID)
	}
	if o.Header.HoldRequests != env.HoldRequests || o.Header.SessionTimeout != env.SessionTimeout {
		t.Errorf("got HoldRequests %v, SessionTimeout %d, the oracle %v, %d",
			env.HoldRequests, env.SessionTimeout, o.Header.HoldRequests, o.Header.SessionTimeout)
	}
	o.Body.pretty = pretty
	if want := o.Body.message(); !reflect.DeepEqual(env.Body, want) {
		t.Errorf("got\n%s\n%#v\nthe oracle\n%s\n%#v", trace.Message(env.Body), env.Body, trace.Message(want), want)
	}
}
