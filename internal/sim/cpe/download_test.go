// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/icholy/digest"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/internal/sim/cpe"
)

// files is a file server: /plain, /basic and /digest (user u, password p),
// /short that breaks off, and nothing else.
func files(t *testing.T) string {
	t.Helper()
	chal := digest.Challenge{Realm: "files", Nonce: "n", QOP: []string{"auth"}}
	mux := http.NewServeMux()
	send := func(w http.ResponseWriter) { _, _ = w.Write([]byte("image")) }
	mux.HandleFunc("/plain", func(w http.ResponseWriter, _ *http.Request) { send(w) })
	mux.HandleFunc("/basic", func(w http.ResponseWriter, r *http.Request) {
		if u, p, ok := r.BasicAuth(); !ok || u != "u" || p != "p" {
			w.Header().Set("WWW-Authenticate", `Basic realm="files"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		send(w)
	})
	mux.HandleFunc("/digest", func(w http.ResponseWriter, r *http.Request) {
		have, err := digest.ParseCredentials(r.Header.Get("Authorization"))
		if err == nil {
			want, _ := digest.Digest(&chal, digest.Options{
				Method: r.Method, URI: have.URI, Username: "u", Password: "p", Count: have.Nc, Cnonce: have.Cnonce,
			})
			if want.Response == have.Response {
				send(w)
				return
			}
		}
		w.Header().Set("WWW-Authenticate", chal.String())
		w.WriteHeader(http.StatusUnauthorized)
	})
	mux.HandleFunc("/short", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		send(w)
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv.URL
}

// A Download is answered with Status 1 and reported by TransferComplete; a
// firmware changes the version and reboots the device [TR-069 A.3.2.8].
func TestDownload(t *testing.T) {
	t.Parallel()
	const firmware, config = "1 Firmware Upgrade Image", "3 Vendor Configuration File"
	base := files(t)
	for _, tc := range []struct {
		name     string
		download cwmp.Download
		fault    int
		events   string
	}{
		{
			"firmware",
			cwmp.Download{FileType: firmware, URL: base + "/plain", FileSize: 5},
			0,
			"7 TRANSFER COMPLETE M Download(key) 1 BOOT",
		},
		{"config", cwmp.Download{FileType: config, URL: base + "/plain"}, 0, ""},
		{"basic", cwmp.Download{FileType: config, URL: base + "/basic", Username: "u", Password: "p"}, 0, ""},
		{"digest", cwmp.Download{FileType: config, URL: base + "/digest", Username: "u", Password: "p"}, 0, ""},
		{"wrong password", cwmp.Download{FileType: config, URL: base + "/digest", Username: "u", Password: "x"}, 9012, ""},
		{"no credentials", cwmp.Download{FileType: firmware, URL: base + "/basic"}, 9012, ""},
		{"missing", cwmp.Download{FileType: firmware, URL: base + "/missing"}, 9016, ""},
		{"wrong size", cwmp.Download{FileType: firmware, URL: base + "/plain", FileSize: 6}, 9010, ""},
		{"broken off", cwmp.Download{FileType: firmware, URL: base + "/short"}, 9017, ""},
		{"no server", cwmp.Download{FileType: firmware, URL: "http://127.0.0.1:1/"}, 9015, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, "tr098-dsl", nil)
			b.booted()
			tc.download.CommandKey = "key"
			if got := must[*cwmp.DownloadResponse](b, &tc.download).Status; got != 1 {
				t.Errorf("Status: got %d, want 1", got)
			}
			in := b.booted()
			want := tc.events
			if want == "" {
				want = "7 TRANSFER COMPLETE M Download(key)"
			}
			if got := events(in); !sameSet(got, want) {
				t.Errorf("events: got %q, want %s", got, want)
			}
			tc1, ok := take(t, "TransferComplete", b.acs.own).(*cwmp.TransferComplete)
			if !ok || tc1.CommandKey != "key" || tc1.Fault.Code != tc.fault {
				t.Errorf("TransferComplete: got %+v, want fault %d", tc1, tc.fault)
			}
			version, _ := b.cpe.Value(igd + "DeviceInfo.SoftwareVersion")
			if upgraded := version == "2.4.18"; upgraded != (tc.events != "") {
				t.Errorf("SoftwareVersion: got %s", version)
			}
		})
	}
}

// sameSet compares events in any order: TR-069 gives them none.
func sameSet(got []string, want string) bool {
	for _, e := range got {
		before := len(want)
		want = strings.Replace(want, e, "", 1)
		if len(want) == before {
			return false
		}
	}
	return strings.TrimSpace(want) == ""
}

// A transfer that a reboot interrupts begins again after it.
func TestDownloadSurvivesReboot(t *testing.T) {
	t.Parallel()
	base := files(t)
	hang := make(chan struct{})
	first := make(chan struct{}, 1)
	first <- struct{}{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-first:
			close(hang)
			<-r.Context().Done()
		default:
			http.Redirect(w, r, base+"/plain", http.StatusFound)
		}
	}))
	t.Cleanup(srv.Close)
	b := start(t, "tr098-dsl", func(o *cpe.Options) { o.ConnReqListen = cpe.NoConnReq })
	b.booted()
	must[*cwmp.DownloadResponse](b, &cwmp.Download{
		CommandKey: "key", FileType: "3 Vendor Configuration File", URL: srv.URL,
	})
	take(t, "first attempt", hang)
	b.cpe.Off()
	b.cpe.On()
	b.wantEvents(b.booted(), cwmp.EventBoot)
	tc, ok := take(t, "TransferComplete", b.acs.own).(*cwmp.TransferComplete)
	if !ok || tc.Fault.Code != 0 || tc.CommandKey != "key" {
		t.Errorf("TransferComplete: got %+v, want success", tc)
	}
}
