// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/soap"
)

// capture says what a captured document holds. Documents that were cut are
// malformed: a part of a list must not pass for the list.
type capture struct {
	file      string
	method    string
	id        string
	namespace string
	entries   int // parameters, names, methods or parameter faults
	err       error
	arrays    bool // writes an array where the types of the oracle have none
	check     func(t *testing.T, env *cwmp.Envelope)
}

func captures() []capture {
	const v0, v2 = cwmp.Namespace10, cwmp.Namespace12
	const longID = "1613234170798113"
	return []capture{
		{file: "cwmpex-autonomoustransfercomplete.xml", method: "AutonomousTransferComplete", id: "1", namespace: v0},
		{
			file: "cwmpex-changedustate.xml", method: "ChangeDUState", id: "50", namespace: v0, arrays: true,
			check: func(t *testing.T, env *cwmp.Envelope) {
				t.Helper()
				ops := env.Body.(*cwmp.ChangeDUState).Operations
				if len(ops) != 1 || ops[0].Kind != cwmp.DUInstall || ops[0].UUID != "some-uuid" {
					t.Errorf("got %+v, want the installation of some-uuid", ops)
				}
			},
		},
		{
			file: "cwmpex-downloadresponse.xml", method: "DownloadResponse", namespace: v0,
			id: "API_aa0642e34b23820801e7642ad7cb536c",
		},
		{
			file: "cwmpex-dustatechangecomplete.xml", method: "DUStateChangeComplete", id: "50", namespace: v0,
			arrays: true, check: func(t *testing.T, env *cwmp.Envelope) {
				t.Helper()
				results := env.Body.(*cwmp.DUStateChangeComplete).Results
				if len(results) != 1 || results[0].UUID != "some-uuid" || !results[0].Resolved {
					t.Errorf("got %+v, want some-uuid resolved", results)
				}
			},
		},
		{file: "cwmpex-fault.xml", method: "Fault", id: "50", namespace: v0, check: isFault(9005)},
		{
			file: "cwmpex-getallqueuedtransfersresponse.xml", method: "GetAllQueuedTransfersResponse", namespace: v0,
			id: "API_953323a9b674bb42b7cad250b2cf0607",
		},
		{
			file: "cwmpex-getoptionsresponse.xml", method: "GetOptionsResponse", namespace: v0,
			id: "API_69412286f02e475b44783c61972f0a91",
		},
		{
			file: "cwmpex-getparameterattributesresponse.xml", method: "GetParameterAttributesResponse", namespace: v0,
			id: "API_953323a9b674bb42b7cad250b2cf0607", entries: 2,
		},
		{
			file: "cwmpex-scheduledownload.xml", method: "ScheduleDownload", namespace: v0,
			id: "API_aa0642e34b23820801e7642ad7cb536c",
		},
		{file: "cwmpex-transfercomplete.xml", method: "TransferComplete", id: "1", namespace: v0},
		{
			file: "freeacs-getparameternamesresponse.xml", method: "GetParameterNamesResponse", id: "FREEACS-0",
			namespace: v0, entries: 18,
		},
		{
			file: "freeacs-getparametervaluesresponse.xml", method: "GetParameterValuesResponse", id: "FREEACS-0",
			namespace: v2, entries: 2,
		},
		{file: "freeacs-getrpcmethods.xml", method: "GetRPCMethods", id: "FREEACS-0", namespace: v2},
		{file: "freeacs-inform.xml", method: "Inform", id: "1", namespace: v2, entries: 4, check: informIs(3, 0)},
		{
			file: "freeacs-setparametervaluesresponse.xml", method: "SetParameterValuesResponse", id: "FREEACS-0",
			namespace: v2,
		},
		{file: "goacs-addobjectresponse.xml", method: "AddObjectResponse", id: longID, namespace: v0},
		{file: "goacs-fault-spv.xml", method: "Fault", id: longID, namespace: v0, entries: 2, check: isFault(9003)},
		{file: "goacs-fault.xml", method: "Fault", id: longID, namespace: v0, check: isFault(9003)},
		{file: "goacs-gpnresponse-9263-head40k.xml.txt", err: soap.ErrMalformed},
		{
			file: "goacs-gpvresponse.xml", method: "GetParameterValuesResponse", id: longID, namespace: v0, entries: 7,
			check: firstParam("Device.RootDataModelVersion", "2.11"),
		},
		{
			file: "http-thomson-bant-r-fault.txt", method: "Fault", id: "218_THOM_TR69_ID", namespace: v0,
			check: isFault(9001),
		},
		{
			file: "http-thomson-bant-r-getparameterattributesresponse.txt", method: "GetParameterAttributesResponse",
			id: "11_THOM_TR69_ID", namespace: v0, entries: 2,
		},
		{
			file: "http-thomson-bant-r-getparameternamesresponse.txt", method: "GetParameterNamesResponse",
			id: "218_THOM_TR69_ID", namespace: v0, entries: 18,
		},
		{
			file: "http-thomson-bant-r-inform.txt", method: "Inform", id: "3_THOM_TR69_ID", namespace: v0, entries: 8,
			check: firstParam("ExternalIPAddress", "10.0.0.2"),
		},
		{
			file: "http-thomson-bant-r-parametervalue.txt", method: "GetParameterValuesResponse",
			id: "218_THOM_TR69_ID", namespace: v0, entries: 6,
		},
		{
			file: "http-thomson-bant-s-fault.txt", method: "Fault", id: "THOM_CPE_ALC_ID_393", namespace: v0,
			check: isFault(9000),
		},
		{
			file: "http-thomson-bant-s-getparameternamesresponse.txt", method: "GetParameterNamesResponse",
			id: "THOM_CPE_ALC_ID_385", namespace: v0, entries: 10,
		},
		{
			file: "http-thomson-bant-s-inform.txt", method: "Inform", id: "THOM_CPE_ALC_ID_9", namespace: v0,
			entries: 11, check: informIs(1, 0),
		},
		{
			file: "inform-invalid-currenttime.xml", method: "Inform", id: "31645", namespace: v0, entries: 8,
			check: func(t *testing.T, env *cwmp.Envelope) {
				t.Helper()
				informIs(1, 942)(t, env)
				if got, want := env.Body.(*cwmp.Inform).CurrentTime, "2019-03-05T11:54::14"; got != want {
					t.Errorf("got CurrentTime %q, want %q", got, want)
				}
			},
		},
		{
			file: "sagemcom-hgw4-inform-device2.xml", method: "Inform", id: "0", namespace: v0, entries: 8,
			check: informIs(1, 0),
		},
		{
			file: "shape-broadcom-inform-m-download.xml", method: "Inform", id: "251110820", namespace: v0, entries: 1,
			check: func(t *testing.T, env *cwmp.Envelope) {
				t.Helper()
				informIs(2, 1)(t, env)
				want := cwmp.Event{Code: cwmp.EventMDownload, CommandKey: "1596954dbc900"}
				if got := env.Body.(*cwmp.Inform).Events[0]; got != want {
					t.Errorf("got event %v, want %v", got, want)
				}
			},
		},
		{
			file: "shape-fap-inform-notypes-emptymanufacturer.xml", method: "Inform", namespace: v0, entries: 2,
			check: func(t *testing.T, env *cwmp.Envelope) {
				t.Helper()
				if env.SessionTimeout != 40 || env.NoID {
					t.Errorf("got SessionTimeout %d, NoID %v; want 40, false", env.SessionTimeout, env.NoID)
				}
				if p := env.Body.(*cwmp.Inform).Params[0]; p.Type != cwmp.TypeUnknown || p.Value != "NewAlarm" {
					t.Errorf("got %+v, want NewAlarm without type", p)
				}
			},
		},
		{
			file: "shape-transfercomplete-fault9015-emptykey.xml", method: "TransferComplete", id: "XXXXXXXYYYYZZZ",
			namespace: v0, check: func(t *testing.T, env *cwmp.Envelope) {
				t.Helper()
				tc := env.Body.(*cwmp.TransferComplete)
				if tc.Fault.Code != 9015 || tc.CommandKey != "" || tc.CompleteTime != "0001-01-01T00:00:00Z" {
					t.Errorf("got %+v, want fault 9015, no key, unknown time", tc)
				}
			},
		},
		{
			file: "thomson-st706-fault9001.xml", method: "Fault", id: "22_THOM_TR69_ID", namespace: v0,
			check: isFault(9001),
		},
		{file: "thomson-st706-getparameternamesresponse-head20k.xml.txt", err: soap.ErrMalformed},
		{
			file: "thomson-st706-getrpcmethodsresponse.xml", method: "GetRPCMethodsResponse", id: "22_THOM_TR69_ID",
			namespace: v0, entries: 9,
		},
		{
			file: "thomson-st706-inform.xml", method: "Inform", id: "22_THOM_TR69_ID", namespace: v0, entries: 12,
			check: informIs(1, 10),
		},
		{file: "zyxel-p2601-inform.xml", method: "Inform", id: "100", namespace: v0, entries: 8, check: informIs(1, 0)},
	}
}

func isFault(code int) func(*testing.T, *cwmp.Envelope) {
	return func(t *testing.T, env *cwmp.Envelope) {
		t.Helper()
		if got := env.Body.(*cwmp.Fault); got.Code != code || got.Text == "" {
			t.Errorf("got fault %v, want %d with a text", got, code)
		}
	}
}

func informIs(events int, retries uint32) func(*testing.T, *cwmp.Envelope) {
	return func(t *testing.T, env *cwmp.Envelope) {
		t.Helper()
		in := env.Body.(*cwmp.Inform)
		if len(in.Events) != events || in.RetryCount != retries {
			t.Errorf("got %d events, RetryCount %d; want %d, %d", len(in.Events), in.RetryCount, events, retries)
		}
		if in.DeviceID.OUI == "" || in.DeviceID.SerialNumber == "" || in.CurrentTime == "" {
			t.Errorf("got DeviceID %+v, CurrentTime %q", in.DeviceID, in.CurrentTime)
		}
	}
}

func firstParam(name, value string) func(*testing.T, *cwmp.Envelope) {
	return func(t *testing.T, env *cwmp.Envelope) {
		t.Helper()
		if p := params(env)[0]; p.Name != name || p.Value != value {
			t.Errorf("got %s=%q, want %s=%q", p.Name, p.Value, name, value)
		}
	}
}

// captureDir returns where the captured documents lie, or skips the test.
func captureDir(t *testing.T) string {
	t.Helper()
	shared := os.Getenv("USPGATE_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "shared")
	}
	dir := filepath.Join(shared, "cwmp", "data", "soap")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no captured documents (USPGATE_SHARED): %v", err)
	}
	return dir
}

// httpBody returns the body of a captured HTTP request, and other documents
// as they are.
func httpBody(doc []byte) (body []byte, contentType string) {
	if !bytes.HasPrefix(doc, []byte("POST ")) {
		return doc, "text/xml"
	}
	_, body, _ = bytes.Cut(doc, []byte("\n\n"))
	return body, "text/xml; charset=ISO-8859-1"
}

func entries(m cwmp.Message) int {
	switch m := m.(type) {
	case *cwmp.Inform:
		return len(m.Params)
	case *cwmp.GetParameterValuesResponse:
		return len(m.Params)
	case *cwmp.GetParameterNamesResponse:
		return len(m.Params)
	case *cwmp.GetParameterAttributesResponse:
		return len(m.Params)
	case *cwmp.GetRPCMethodsResponse:
		return len(m.Methods)
	case *cwmp.Fault:
		return len(m.Params)
	default:
		return 0
	}
}

func TestCaptures(t *testing.T) {
	t.Parallel()
	dir := captureDir(t)
	for _, c := range captures() {
		t.Run(c.file, func(t *testing.T) {
			t.Parallel()
			doc, err := os.ReadFile(filepath.Join(dir, c.file))
			if err != nil {
				t.Fatal(err)
			}
			body, contentType := httpBody(doc)
			env, err := soap.DecodeBytes(body, contentType, soap.Limits{})
			if !errors.Is(err, c.err) {
				t.Fatalf("got error %v, want %v", err, c.err)
			}
			if c.err != nil {
				return
			}
			got := capture{method: env.Body.Method(), id: env.ID, namespace: env.Namespace, entries: entries(env.Body)}
			if got.method != c.method || got.id != c.id || got.namespace != c.namespace || got.entries != c.entries {
				t.Errorf("got %s, ID %q, %s, %d entries", got.method, got.id, got.namespace, got.entries)
			}
			if c.check != nil {
				c.check(t, env)
			}
			if !c.arrays {
				oracleAgrees(t, body, env, true)
			}
			stable(t, env)
		})
	}
}

// TestEveryCaptureIsExpected fails when a file is there that the table does
// not know.
func TestEveryCaptureIsExpected(t *testing.T) {
	t.Parallel()
	files, err := os.ReadDir(captureDir(t))
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, c := range captures() {
		known[c.file] = true
	}
	for _, f := range files {
		if !known[f.Name()] {
			t.Errorf("%s is not in the table", f.Name())
		}
	}
}

// stable writes env, reads that and writes it again: the texts must be equal,
// and strict.
func stable(t *testing.T, env *cwmp.Envelope) {
	t.Helper()
	first, err := soap.Append(nil, env)
	if err != nil {
		t.Fatalf("Append: %v", err)
	}
	again, err := soap.DecodeBytes(first, "", soap.Limits{})
	if err != nil {
		t.Fatalf("Decode of what Append wrote: %v\n%s", err, first)
	}
	second, err := soap.Append(nil, again)
	if err != nil {
		t.Fatalf("second Append: %v", err)
	}
	if !bytes.Equal(first, second) {
		t.Errorf("got\n%s\nthe second time\n%s", first, second)
	}
	if _, unknown := env.Body.(*cwmp.Unknown); !unknown {
		strictly(t, first, again.Namespace)
	}
}

// params returns the parameter values of a message that has such.
func params(env *cwmp.Envelope) []cwmp.ParameterValue {
	switch m := env.Body.(type) {
	case *cwmp.Inform:
		return m.Params
	case *cwmp.GetParameterValuesResponse:
		return m.Params
	case *cwmp.SetParameterValues:
		return m.Params
	default:
		return nil
	}
}
