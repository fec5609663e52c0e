// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/cwmp"
)

func TestQuirk68NoTransferComplete(t *testing.T) {
	t.Parallel()
	b := quirky(t, "no-transfer-complete")
	b.call(&cwmp.Download{CommandKey: "k", FileType: firmware, URL: files(t) + "/plain"})
	b.wantEvents(b.booted(), cwmp.EventBoot)
	if got, _ := b.cpe.Value(igd + "DeviceInfo.SoftwareVersion"); got != "2.4.18" {
		t.Errorf("SoftwareVersion: got %s, want the next", got)
	}
}

func TestQuirk69CommandKeys(t *testing.T) {
	t.Parallel()
	for quirk, want := range map[string][2]string{
		"no-command-key": {"", "7 TRANSFER COMPLETE"}, "wrong-command-key": {"12345", "7 TRANSFER COMPLETE M Download(k)"},
	} {
		b := quirky(t, quirk)
		b.call(&cwmp.Download{CommandKey: "k", FileType: config, URL: files(t) + "/plain"})
		if got := b.complete(want[1]).CommandKey; got != want[0] {
			t.Errorf("%s: got CommandKey %q, want %q", quirk, got, want[0])
		}
	}
}

func TestQuirk72Downloads(t *testing.T) {
	t.Parallel()
	b := quirky(t, "download-fails-once")
	for _, want := range []int{9010, 0} {
		b.call(&cwmp.Download{CommandKey: "k", FileType: config, URL: files(t) + "/plain"})
		if got := b.complete("7 TRANSFER COMPLETE", "M Download(k)").Fault.Code; got != want {
			t.Errorf("download-fails-once: got fault %d, want %d", got, want)
		}
	}
	b = quirky(t, "transfer-in-session")
	asked := make(chan struct{}, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked <- struct{}{} }))
	t.Cleanup(srv.Close)
	b.acs.queue(&cwmp.Download{FileType: config, URL: srv.URL})
	b.cpe.SetDelay(50 * time.Millisecond)
	hold := b.acs.queue(&cwmp.GetRPCMethods{})
	b.cpe.Raise(cwmp.Event{Code: cwmp.EventConnectionRequest})
	take(t, "GET", asked)
	select {
	case <-hold:
		t.Error("transfer-in-session: the transfer began after the next request was answered")
	default:
	}
}

func TestDiagnosticsOfBothModels(t *testing.T) {
	t.Parallel()
	for model, objects := range map[string][]string{
		"tr098-dsl": {
			igd + "IPPingDiagnostics.", igd + "TraceRouteDiagnostics.", igd + "NSLookupDiagnostics.",
			igd + "DownloadDiagnostics.", igd + "UploadDiagnostics.",
		},
		"tr181-wifi": {
			"Device.IP.Diagnostics.IPPing.", "Device.IP.Diagnostics.TraceRoute.", "Device.DNS.Diagnostics.NSLookupDiagnostics.",
			"Device.IP.Diagnostics.DownloadDiagnostics.", "Device.IP.Diagnostics.UploadDiagnostics.",
			"Device.IP.Diagnostics.UDPEchoDiagnostics.",
		},
	} {
		for _, object := range objects {
			t.Run(object, func(t *testing.T) {
				t.Parallel()
				b := start(t, model, nil)
				b.booted()
				run := func(target string) string {
					m := &cwmp.SetParameterValues{}
					for _, name := range []string{"Host", "HostName", "DownloadURL", "UploadURL"} {
						if _, ok := b.cpe.Value(object + name); ok {
							m.Params = append(m.Params, pv(object+name, target, cwmp.TypeString))
						}
					}
					m.Params = append(m.Params, pv(object+"DiagnosticsState", "Requested", cwmp.TypeString))
					must[*cwmp.SetParameterValuesResponse](b, m)
					b.wantEvents(b.booted(), cwmp.EventDiagnosticsComplete)
					state, _ := b.cpe.Value(object + "DiagnosticsState")
					return state
				}
				if got := run("http://host.example.net/f"); !strings.HasPrefix(got, "Complete") {
					t.Errorf("got %q, want Complete or Completed", got)
				}
				if got := run("x.invalid"); !strings.HasPrefix(got, "Error_") {
					t.Errorf("got %q for what is not there, want an error", got)
				}
				if !slices.ContainsFunc([]string{"SuccessCount", "EOMTime", "ResponseTime"}, func(name string) bool {
					v, ok := b.cpe.Value(object + name)
					return ok && v != "0" && !strings.HasPrefix(v, "0001")
				}) {
					t.Error("got no results")
				}
			})
		}
	}
}
