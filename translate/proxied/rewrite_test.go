// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package proxied

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/usp/uspmsg"
)

var third = mount{number: 3, id: "os::00D09E-1", row: "Device.ProxiedDevice.3."}

func TestPathsAreRewritten(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Device.WiFi.Radio.1.":         "Device.ProxiedDevice.3.WiFi.Radio.1.",
		"Device.":                      "Device.ProxiedDevice.3.",
		"Device.Reboot()":              "Device.ProxiedDevice.3.Reboot()",
		"Device.IP.A.1, Device.IP.A.2": "Device.ProxiedDevice.3.IP.A.1, Device.ProxiedDevice.3.IP.A.2",
		"Device.WiFi.Radio.{i}.":       "Device.ProxiedDevice.3.WiFi.Radio.{i}.",
		// What is no path, or not the CPE's, stays.
		"Device.LocalAgent.Controller.1": "Device.LocalAgent.Controller.1",
		"Device.LocalAgent.":             "Device.LocalAgent.",
		"My Device. is new":              "My Device. is new",
		"Device.IP is a path":            "Device.IP is a path",
		"Device.IP.,up":                  "Device.IP.,up",
		"":                               "",
	} {
		if got := third.out(in); got != want {
			t.Errorf("out(%q): got %q, want %q", in, got, want)
		}
		if got := third.in(want); got != in {
			t.Errorf("in(%q): got %q, want %q", want, got, in)
		}
	}
	if got, want := third.in("Device.ProxiedDevice.33.IP."), "Device.ProxiedDevice.33.IP."; got != want {
		t.Errorf("got %q, want %q: it is another row", got, want)
	}
	text, want := "Device.IP.X: no, as Device.LocalAgent.Y", "Device.ProxiedDevice.3.IP.X: no, as Device.LocalAgent.Y"
	if got := third.outText(text); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	text, want = `WiFi.SSID.[A=="Device.ProxiedDevice.3.B.1"].`, `WiFi.SSID.[A=="Device.B.1"].`
	if got := third.inExpression(text); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Every text of a Message is rewritten, the names of parameters are not.
func TestMessagesAreRewritten(t *testing.T) {
	t.Parallel()
	msg := &uspmsg.SetResp{UpdatedObjResults: []*uspmsg.SetResp_UpdatedObjectResult{{
		RequestedPath: "Device.WiFi.SSID.1.",
		OperStatus: &uspmsg.SetResp_UpdatedObjectResult_OperationStatus{
			OperStatus: &uspmsg.SetResp_UpdatedObjectResult_OperationStatus_OperSuccess{
				OperSuccess: &uspmsg.SetResp_UpdatedObjectResult_OperationStatus_OperationSuccess{
					UpdatedInstResults: []*uspmsg.SetResp_UpdatedInstanceResult{{
						AffectedPath: "Device.WiFi.SSID.1.",
						ParamErrs: []*uspmsg.SetResp_ParameterError{
							{Param: "SSID", ErrCode: 7012, ErrMsg: "Device.WiFi.SSID.1.SSID: no"},
						},
						UpdatedParams: map[string]string{"LowerLayers": "Device.WiFi.Radio.1", "SSID": "Device 1"},
					}},
				},
			},
		},
	}}}
	before := proto.Clone(msg)
	third.outMessage(msg)
	r := msg.GetUpdatedObjResults()[0].GetOperStatus().GetOperSuccess().GetUpdatedInstResults()[0]
	for got, want := range map[string]string{
		msg.GetUpdatedObjResults()[0].GetRequestedPath(): third.row + "WiFi.SSID.1.",
		r.GetAffectedPath():                 third.row + "WiFi.SSID.1.",
		r.GetUpdatedParams()["LowerLayers"]: third.row + "WiFi.Radio.1",
		r.GetUpdatedParams()["SSID"]:        "Device 1",
		r.GetParamErrs()[0].GetErrMsg():     third.row + "WiFi.SSID.1.SSID: no",
		r.GetParamErrs()[0].GetParam():      "SSID",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	r.ParamErrs[0].ErrMsg = "Device.WiFi.SSID.1.SSID: no"
	third.inMessage(msg)
	if !proto.Equal(msg, before) {
		t.Errorf("got %v, want what it was, %v", msg, before)
	}
}

// Rewriting there and back is the identity.
func FuzzRewrite(f *testing.F) {
	for _, s := range []string{
		"Device.WiFi.Radio.1.", "Device.,Device.IP.", "Device.LocalAgent.X", " Device.A , Device.B.2.C!",
		"x,Device.", "Device.()",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.Contains(s, "Device.ProxiedDevice.") {
			t.Skip("no Virtual Agent says so of its CPE")
		}
		out := third.out(s)
		if got := third.in(out); got != s {
			t.Errorf("got %q, want %q; it was %q on the way", got, s, out)
		}
		isPath := strings.HasPrefix(s, root) && !isHidden(s) && !strings.ContainsFunc(s, isForeign)
		if isPath && !strings.HasPrefix(out, third.row) {
			t.Errorf("got %q for %q, want it below the row", out, s)
		}
	})
}
