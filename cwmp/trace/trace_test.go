// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/trace"
)

const ssid = "InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.SSID"

func TestMessage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		m    cwmp.Message
		want string
	}{
		{"nothing", nil, "(empty)"},
		{
			"one value",
			&cwmp.SetParameterValues{Params: []cwmp.ParameterValue{{Name: ssid, Value: "x", Type: cwmp.TypeString}}},
			`SetParameterValues ` + ssid + `="x"`,
		},
		{
			"several values",
			&cwmp.GetParameterValuesResponse{Params: []cwmp.ParameterValue{
				{Name: "A.B", Value: "1", Type: cwmp.TypeBoolean}, {Name: "A.C", Value: "a\nb"}, {Name: "A.D", NoValue: true},
			}},
			"GetParameterValuesResponse\n  A.B=\"1\" boolean\n  A.C=\"a\\nb\" untyped\n  A.D without value",
		},
		{"key", &cwmp.SetParameterValues{ParameterKey: "k"}, `SetParameterValues ParameterKey="k"`},
		{"status", &cwmp.SetParameterValuesResponse{Status: 1}, "SetParameterValuesResponse Status=1"},
		{"one name", &cwmp.GetParameterValues{Names: []string{"A."}}, "GetParameterValues A."},
		{"names", &cwmp.GetParameterValues{Names: []string{"A.", "B."}}, "GetParameterValues\n  A.\n  B."},
		{"root", &cwmp.GetParameterNames{NextLevel: true}, `GetParameterNames "" NextLevel=1`},
		{
			"infos",
			&cwmp.GetParameterNamesResponse{Params: []cwmp.ParameterInfo{{Name: "A.", Writable: true}, {Name: "A.B"}}},
			"GetParameterNamesResponse\n  A. writable\n  A.B",
		},
		{
			"set attributes",
			&cwmp.SetParameterAttributes{Params: []cwmp.SetAttribute{
				{Name: "A.B", NotificationChange: true, Notification: 2}, {Name: "A.C", AccessListChange: true},
			}},
			"SetParameterAttributes\n  A.B Notification=2\n  A.C AccessList=\"\"",
		},
		{
			"attributes",
			&cwmp.GetParameterAttributesResponse{Params: []cwmp.ParameterAttribute{
				{Name: "A.B", Notification: 1, AccessList: []string{"Subscriber"}},
			}},
			`GetParameterAttributesResponse A.B Notification=1 AccessList="Subscriber"`,
		},
		{"attribute names", &cwmp.GetParameterAttributes{Names: []string{"A.B"}}, "GetParameterAttributes A.B"},
		{"add", &cwmp.AddObject{ObjectName: "A.B.", ParameterKey: "k"}, `AddObject A.B. ParameterKey="k"`},
		{"added", &cwmp.AddObjectResponse{InstanceNumber: 3}, "AddObjectResponse InstanceNumber=3 Status=0"},
		{"delete", &cwmp.DeleteObject{ObjectName: "A.B.3."}, "DeleteObject A.B.3."},
		{"deleted", &cwmp.DeleteObjectResponse{}, "DeleteObjectResponse Status=0"},
		{"reboot", &cwmp.Reboot{CommandKey: "c"}, `Reboot CommandKey="c"`},
		{"rebooting", &cwmp.RebootResponse{}, "RebootResponse"},
		{"factory reset", &cwmp.FactoryReset{}, "FactoryReset"},
		{"methods", &cwmp.GetRPCMethodsResponse{Methods: []string{"Reboot"}}, "GetRPCMethodsResponse Reboot"},
		{
			"inform",
			&cwmp.Inform{
				DeviceID:     cwmp.DeviceID{Manufacturer: "M", OUI: "001122", ProductClass: "Box", SerialNumber: "1"},
				Events:       []cwmp.Event{{Code: "1 BOOT"}, {Code: "M Reboot", CommandKey: "c"}},
				MaxEnvelopes: 1, CurrentTime: "1970-01-01T00:00:10Z", RetryCount: 2,
				Params: []cwmp.ParameterValue{{Name: "A.B", Value: "v", Type: cwmp.TypeString}},
			},
			`Inform 001122-Box-1 [1 BOOT] [M Reboot CommandKey="c"] Manufacturer="M"` +
				` CurrentTime="1970-01-01T00:00:10Z" RetryCount=2 A.B="v"`,
		},
		{"inform response", &cwmp.InformResponse{MaxEnvelopes: 1}, "InformResponse"},
		{
			"transfer complete",
			&cwmp.TransferComplete{Fault: cwmp.Fault{Code: 9010, Text: "no"}, StartTime: "t"},
			`TransferComplete CommandKey="" FaultCode=9010 FaultString="no" StartTime="t"`,
		},
		{
			"download",
			&cwmp.Download{
				CommandKey: "c", FileType: "1 Firmware Upgrade Image", URL: "http://u:hidden@h/f?x=1", Username: "u",
				Password: "hidden", FileSize: 9, TargetFileName: "f", DelaySeconds: 3,
			},
			`Download "1 Firmware Upgrade Image" URL="http://u:••••@h/f?x=1" CommandKey="c" Username="u"` +
				` Password=•••• FileSize=9 TargetFileName="f" DelaySeconds=3`,
		},
		{
			"download response",
			&cwmp.DownloadResponse{Status: 1, CompleteTime: "t"},
			`DownloadResponse Status=1 CompleteTime="t"`,
		},
		{
			"schedule download",
			&cwmp.ScheduleDownload{
				CommandKey: "c", FileType: "1 Firmware Upgrade Image", URL: "http://h/f", Username: "u", Password: "hidden",
				Windows: []cwmp.TimeWindow{
					{End: 60, Mode: "3 When Idle", MaxRetries: -1}, {Start: 60, End: 90, Mode: "2 Immediately", UserMessage: "now"},
				},
			},
			`ScheduleDownload "1 Firmware Upgrade Image" URL="http://h/f" CommandKey="c" Username="u" Password=••••` +
				"\n  \"3 When Idle\" Start=0 End=60 MaxRetries=-1" +
				"\n  \"2 Immediately\" Start=60 End=90 MaxRetries=0 UserMessage=\"now\"",
		},
		{"download scheduled", &cwmp.ScheduleDownloadResponse{}, "ScheduleDownloadResponse"},
		{
			"upload",
			&cwmp.Upload{
				CommandKey: "c", FileType: "2 Vendor Log File", URL: "http://h/", Password: "hidden", DelaySeconds: 3,
			},
			`Upload "2 Vendor Log File" URL="http://h/" CommandKey="c" Password=•••• DelaySeconds=3`,
		},
		{"upload response", &cwmp.UploadResponse{StartTime: "t"}, `UploadResponse Status=0 StartTime="t"`},
		{"cancel", &cwmp.CancelTransfer{CommandKey: "c"}, `CancelTransfer CommandKey="c"`},
		{"queued?", &cwmp.GetQueuedTransfers{}, "GetQueuedTransfers"},
		{
			"queued",
			&cwmp.GetQueuedTransfersResponse{Transfers: []cwmp.QueuedTransfer{{CommandKey: "c", State: 2}}},
			`GetQueuedTransfersResponse "c" State=2`,
		},
		{
			"all queued",
			&cwmp.GetAllQueuedTransfersResponse{Transfers: []cwmp.QueuedTransfer{
				{CommandKey: "c", State: 1, IsDownload: true, FileType: "3 F", FileSize: 9, TargetFileName: "f"},
			}},
			`GetAllQueuedTransfersResponse "c" State=1 IsDownload=1 FileType="3 F" FileSize=9 TargetFileName="f"`,
		},
		{
			"autonomous transfer",
			&cwmp.AutonomousTransferComplete{
				AnnounceURL: "http://a/", TransferURL: "http://u:hidden@h/f", IsDownload: true, FileType: "1 F",
				Fault: cwmp.Fault{Code: 9018, Text: "bad"}, CompleteTime: "t",
			},
			`AutonomousTransferComplete "1 F" URL="http://u:••••@h/f" IsDownload=1 AnnounceURL="http://a/"` +
				` FaultCode=9018 FaultString="bad" CompleteTime="t"`,
		},
		{
			"request download",
			&cwmp.RequestDownload{FileType: "2 Web Content", Args: []cwmp.Arg{
				{Name: "Page", Value: "x"}, {Name: "Password", Value: "hidden"},
			}},
			"RequestDownload \"2 Web Content\"\n  Page=\"x\"\n  Password=••••",
		},
		{
			"change of software",
			&cwmp.ChangeDUState{CommandKey: "c", Operations: []cwmp.DUOperation{
				{Kind: "Install", URL: "http://h/p", UUID: "i", Username: "u", Password: "hidden", ExecutionEnvRef: "E."},
				{Kind: "Uninstall", UUID: "i", Version: "1"},
				{UUID: "j"},
			}},
			"ChangeDUState CommandKey=\"c\"" +
				"\n  Install URL=\"http://h/p\" UUID=\"i\" Username=\"u\" Password=•••• ExecutionEnvRef=\"E.\"" +
				"\n  Uninstall UUID=\"i\" Version=\"1\"\n  (no kind) UUID=\"j\"",
		},
		{
			"software changed",
			&cwmp.DUStateChangeComplete{CommandKey: "c", Results: []cwmp.DUResult{
				{CurrentState: "Installed", UUID: "i", DeploymentUnitRef: "D.1.", Version: "1", Resolved: true, CompleteTime: "t"},
			}},
			`DUStateChangeComplete CommandKey="c" Installed UUID="i" DeploymentUnitRef="D.1." Version="1" Resolved=1` +
				` FaultCode=0 CompleteTime="t"`,
		},
		{
			"software changed by itself",
			&cwmp.AutonomousDUStateChangeComplete{Results: []cwmp.DUResult{
				{UUID: "i", OperationPerformed: "Update", Fault: cwmp.Fault{Code: 9025, Text: "no"}},
			}},
			`AutonomousDUStateChangeComplete (no state) OperationPerformed="Update" UUID="i" Resolved=0` +
				` FaultCode=9025 FaultString="no"`,
		},
		{
			"schedule inform",
			&cwmp.ScheduleInform{DelaySeconds: 5, CommandKey: "c"},
			`ScheduleInform DelaySeconds=5 CommandKey="c"`,
		},
		{"vouchers", &cwmp.SetVouchers{Vouchers: []string{"hidden", "hidden"}}, "SetVouchers\n  ••••\n  ••••"},
		{"options?", &cwmp.GetOptions{}, `GetOptions ""`},
		{
			"options",
			&cwmp.GetOptionsResponse{Options: []cwmp.Option{{Name: "o", VoucherSN: 7, State: 1, Mode: 2, StartDate: "t"}}},
			`GetOptionsResponse "o" VoucherSN=7 State=1 Mode=2 StartDate="t" IsTransferable=0`,
		},
		{
			"kicked",
			&cwmp.Kicked{Command: "a", Referer: "http://r/", Arg: "b", Next: "http://u:hidden@n/"},
			`Kicked Command="a" Referer="http://r/" Arg="b" Next="http://u:••••@n/"`,
		},
		{"kicked on", &cwmp.KickedResponse{NextURL: "http://n/"}, `KickedResponse NextURL="http://n/"`},
		{
			"fault",
			&cwmp.Fault{Code: 9003, Text: "Invalid arguments", Params: []cwmp.ParameterFault{{Name: "A.B", Code: 9008}}},
			`Fault 9003 "Invalid arguments" A.B: 9008 ""`,
		},
		{"unknown", &cwmp.Unknown{Name: "X_Kick"}, "X_Kick"},
		{"forged line", &cwmp.Unknown{Name: "X\nReboot"}, `"X\nReboot"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := trace.Message(tt.m); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestEnvelope(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		env  cwmp.Envelope
		want string
	}{
		{"bare", cwmp.Envelope{NoID: true}, "no-namespace\n(empty)"},
		{
			"all headers",
			cwmp.Envelope{
				Namespace: cwmp.Namespace12, ID: "7", HoldRequests: true, SessionTimeout: 40,
				SupportedVersions: "1.0,1.4", UseVersion: "1.4", Body: &cwmp.InformResponse{},
			},
			`cwmp-1-2 id="7" HoldRequests=1 SessionTimeout=40 SupportedCWMPVersions="1.0,1.4" UseCWMPVersion="1.4"` +
				"\nInformResponse",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := trace.Envelope(&tt.env); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestSecretsAreMasked(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"InternetGatewayDevice.ManagementServer.ConnectionRequestPassword":                                true,
		"InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.PreSharedKey.1.KeyPassphrase":              true,
		"InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.PreSharedKey.1.PreSharedKey":               true,
		"InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.WEPKey.1.WEPKey":                           true,
		"Device.WiFi.AccessPoint.1.Security.KeyPassphrase":                                                true,
		"Device.WiFi.AccessPoint.1.Security.RadiusSecret":                                                 true,
		"Device.WiFi.AccessPoint.1.WPS.PIN":                                                               true,
		"InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.X_VENDOR_WEPKey.1":                         true,
		"InternetGatewayDevice.WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.Password":             true,
		"InternetGatewayDevice.ManagementServer.ParameterKey":                                             false,
		"InternetGatewayDevice.ManagementServer.ConnectionRequestUsername":                                false,
		"InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.PreSharedKey.1.AssociatedDeviceMACAddress": false,
		"Device.WiFi.SSID.1.SSID": false,
		"Device.Users.":           false,
	} {
		m := &cwmp.SetParameterValues{Params: []cwmp.ParameterValue{{Name: name, Value: "hidden", Type: cwmp.TypeString}}}
		if got := !strings.Contains(trace.Message(m), "hidden"); got != want {
			t.Errorf("%s: masked %v, want %v", name, got, want)
		}
		if got := trace.Secret(name); got != want {
			t.Errorf("Secret(%s): got %v, want %v", name, got, want)
		}
	}
}

// TestEmptySecretIsVisible: that a CPE gives no password away is worth seeing.
func TestEmptySecretIsVisible(t *testing.T) {
	t.Parallel()
	m := &cwmp.GetParameterValuesResponse{Params: []cwmp.ParameterValue{{Name: "A.Password", Type: cwmp.TypeString}}}
	if got, want := trace.Message(m), `GetParameterValuesResponse A.Password=""`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
