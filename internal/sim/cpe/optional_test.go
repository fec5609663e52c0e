// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/icholy/digest"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/internal/sim/cpe"
)

const (
	firmware = "1 Firmware Upgrade Image"
	config   = "3 Vendor Configuration File"
)

// store is a file server that keeps what is uploaded; /digest wants user u,
// password p.
type store struct {
	*httptest.Server

	put chan putFile
}

type putFile struct {
	method, path, content string
	length                int64
}

func newStore(t *testing.T) *store {
	t.Helper()
	s := &store{put: make(chan putFile, 8)}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b := make([]byte, 1<<20)
	n := 0
	for {
		m, err := r.Body.Read(b[n:])
		if n += m; err != nil {
			break
		}
	}
	if r.URL.Path == "/digest" && r.Header.Get("Authorization") == "" {
		w.Header().Set("WWW-Authenticate", (&digest.Challenge{Realm: "f", Nonce: "n", QOP: []string{"auth"}}).String())
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	s.put <- putFile{r.Method, r.URL.Path, string(b[:n]), r.ContentLength}
	w.WriteHeader(http.StatusCreated)
}

// complete waits for the TransferComplete, in the session of which there are
// the events.
func (b *bench) complete(want ...string) *cwmp.TransferComplete {
	b.t.Helper()
	if got := events(b.booted()); !sameSet(got, strings.Join(want, " ")) {
		b.t.Errorf("events: got %q, want %q", got, want)
	}
	tc, ok := take(b.t, "TransferComplete", b.acs.own).(*cwmp.TransferComplete)
	if !ok {
		b.t.Fatal("got another request, want TransferComplete")
	}
	return tc
}

func TestUpload(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, fileType, path, quirk string
		method                      string
		length                      bool
		content                     string
	}{
		{"configuration", "1 Vendor Configuration File", "/a", "clock-1970", "PUT", true, wlan + `SSID="`},
		{"of a row", "3 Vendor Configuration File 1", "/a", "clock-1970", "PUT", true, wlan + `SSID="`},
		{"log", "2 Vendor Log File", "/a", "clock-1970", "PUT", true, "boot"},
		{"login", "2 Vendor Log File", "/digest", "clock-1970", "PUT", true, "boot"},
		{"POST", "2 Vendor Log File", "/a", "upload-by-post", "POST", true, "boot"},
		{"chunked", "2 Vendor Log File", "/a", "upload-chunked", "PUT", false, "boot"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, b := newStore(t), quirky(t, tc.quirk)
			resp := must[*cwmp.UploadResponse](b, &cwmp.Upload{
				CommandKey: "key", FileType: tc.fileType, URL: s.URL + tc.path, Username: "u", Password: "p",
			})
			if resp.Status != 1 {
				t.Errorf("Status: got %d, want 1", resp.Status)
			}
			if got := b.complete("7 TRANSFER COMPLETE", "M Upload(key)"); got.CommandKey != "key" || got.Fault.Code != 0 {
				t.Errorf("TransferComplete: got %+v", got)
			}
			got := take(t, "file", s.put)
			if got.method != tc.method || (got.length >= 0) != tc.length || !strings.Contains(got.content, tc.content) {
				t.Errorf("got %s of %d bytes: %q", got.method, got.length, cut(got.content))
			}
		})
	}
	c := offline(t, builtin(t, "tr098-dsl"))
	wantFault(t, c, 9003, &cwmp.Upload{FileType: "3 Vendor Configuration File 7", URL: "http://127.0.0.1/"})
	wantFault(t, c, 9003, &cwmp.Upload{FileType: firmware, URL: "http://127.0.0.1/"})
	wantFault(t, c, 9013, &cwmp.Upload{FileType: "2 Vendor Log File", URL: "ftp://127.0.0.1/"})
}

// A configuration that was uploaded is what a Download of it restores.
func TestRestore(t *testing.T) {
	t.Parallel()
	s, b := newStore(t), start(t, "tr098-dsl", nil)
	b.booted()
	b.call(set(wlan+"SSID", `Kept "&"`, cwmp.TypeString))
	b.call(&cwmp.Upload{FileType: "1 Vendor Configuration File", URL: s.URL})
	b.complete("7 TRANSFER COMPLETE", "M Upload")
	file := take(t, "file", s.put).content
	b.call(set(wlan+"SSID", "Lost", cwmp.TypeString))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(file))
	}))
	t.Cleanup(srv.Close)
	b.call(&cwmp.Download{FileType: config, URL: srv.URL, FileSize: uint32(len(file))})
	b.complete("7 TRANSFER COMPLETE", "M Download")
	if got, _ := b.cpe.Value(wlan + "SSID"); got != `Kept "&"` {
		t.Errorf("SSID: got %q, want the one of the file", got)
	}
}

func TestScheduleDownload(t *testing.T) {
	t.Parallel()
	b := start(t, "tr098-dsl", nil)
	b.booted()
	window := func(start, end uint32) cwmp.TimeWindow {
		return cwmp.TimeWindow{Start: start, End: end, Mode: cwmp.WindowImmediately}
	}
	m := &cwmp.ScheduleDownload{
		CommandKey: "now", FileType: config, URL: files(t) + "/plain", Windows: []cwmp.TimeWindow{window(0, 60)},
	}
	must[*cwmp.ScheduleDownloadResponse](b, m)
	got := b.complete("7 TRANSFER COMPLETE", "M ScheduleDownload(now)")
	if got.Fault.Code != 0 || got.CommandKey != "now" {
		t.Errorf("TransferComplete: got %+v", got)
	}
	later := *m
	later.CommandKey, later.Windows = "later", []cwmp.TimeWindow{window(3600, 7200), window(7200, 7300)}
	must[*cwmp.ScheduleDownloadResponse](b, &later)
	list := must[*cwmp.GetAllQueuedTransfersResponse](b, &cwmp.GetAllQueuedTransfers{}).Transfers
	if len(list) != 1 || list[0].CommandKey != "later" || list[0].State != cwmp.TransferNotStarted || !list[0].IsDownload {
		t.Errorf("queued: got %+v, want the one of later", list)
	}
	if got := must[*cwmp.GetQueuedTransfersResponse](b, &cwmp.GetQueuedTransfers{}).Transfers; len(got) != 1 {
		t.Errorf("queued: got %+v", got)
	}
	must[*cwmp.CancelTransferResponse](b, &cwmp.CancelTransfer{CommandKey: "later"})
	if got := must[*cwmp.GetAllQueuedTransfersResponse](b, &cwmp.GetAllQueuedTransfers{}).Transfers; len(got) != 0 {
		t.Errorf("queued: got %+v, want none", got)
	}
	c := offline(t, builtin(t, "tr098-dsl"))
	for _, wrong := range [][]cwmp.TimeWindow{{}, {window(5, 5)}, {window(0, 9), window(8, 10)}} {
		bad := *m
		bad.Windows = wrong
		wantFault(t, c, 9003, &bad)
	}
	wantFault(t, c, 9003, &cwmp.CancelTransfer{CommandKey: "none"})
}

// What is under way cannot be cancelled [TR-069 A.4.1.9].
func TestCancelTooLate(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	asked := make(chan struct{}, 8)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
		_, _ = w.Write([]byte("image"))
	}))
	t.Cleanup(srv.Close)
	b := start(t, "tr098-dsl", nil)
	b.booted()
	b.call(&cwmp.Download{CommandKey: "k", FileType: config, URL: srv.URL})
	take(t, "GET", asked)
	if got := faultOf(b.call(&cwmp.CancelTransfer{CommandKey: "k"})); got != 9021 {
		t.Errorf("got fault %d, want 9021", got)
	}
	close(release)
	b.complete("7 TRANSFER COMPLETE", "M Download(k)")
}

func TestScheduleInform(t *testing.T) {
	t.Parallel()
	b := start(t, "tr098-dsl", nil)
	b.booted()
	at := time.Now()
	must[*cwmp.ScheduleInformResponse](b, &cwmp.ScheduleInform{DelaySeconds: 1, CommandKey: "k"})
	b.wantEvents(b.inform(), cwmp.EventScheduled, cwmp.EventMScheduleInform+"(k)")
	if took := time.Since(at); took < 900*time.Millisecond {
		t.Errorf("got the Inform after %s, want 1 s", took)
	}
	c := offline(t, builtin(t, "tr098-dsl"))
	wantFault(t, c, 9003, &cwmp.ScheduleInform{})
}

func TestVouchers(t *testing.T) {
	t.Parallel()
	c := offline(t, builtin(t, "tr098-dsl"))
	voucher := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	good := voucher(`<Signature><Object><Option><VSerialNum>7</VSerialNum><OptionIdent>VPN</OptionIdent>` +
		`<StartDate>20260101T000000Z</StartDate></Option></Object></Signature>`)
	wantFault(t, c, 9003, &cwmp.SetVouchers{Vouchers: []string{good, "!"}})
	wantFault(t, c, 9003, &cwmp.SetVouchers{Vouchers: []string{good, voucher("<a/>")}})
	if got := answer[*cwmp.GetOptionsResponse](t, c, &cwmp.GetOptions{}).Options; len(got) != 0 {
		t.Errorf("options: got %+v, want none: all or nothing", got)
	}
	wantFault(t, c, 0, &cwmp.SetVouchers{Vouchers: []string{good}})
	got := answer[*cwmp.GetOptionsResponse](t, c, &cwmp.GetOptions{OptionName: "VPN"}).Options
	if len(got) != 1 || got[0].VoucherSN != 7 || got[0].StartDate != "20260101T000000Z" {
		t.Errorf("options: got %+v", got)
	}
	wantFault(t, c, 9003, &cwmp.GetOptions{OptionName: "none"})
}

func TestChangeDUState(t *testing.T) {
	t.Parallel()
	b := start(t, "tr181-wifi", nil)
	b.booted()
	const uuid = "1b4e28ba-2fa1-51d2-883f-0016d3cca427"
	change := func(ops ...cwmp.DUOperation) []cwmp.DUResult {
		t.Helper()
		must[*cwmp.ChangeDUStateResponse](b, &cwmp.ChangeDUState{CommandKey: "k", Operations: ops})
		if got := events(b.booted()); !sameSet(got, "11 DU STATE CHANGE COMPLETE M ChangeDUState(k)") {
			t.Errorf("events: got %q", got)
		}
		done, ok := take(t, "DUStateChangeComplete", b.acs.own).(*cwmp.DUStateChangeComplete)
		if !ok || done.CommandKey != "k" || len(done.Results) != len(ops) {
			t.Fatalf("got %+v", done)
		}
		return done.Results
	}
	install := cwmp.DUOperation{Kind: cwmp.DUInstall, URL: files(t) + "/plain", UUID: uuid}
	got := change(install, install, cwmp.DUOperation{Kind: cwmp.DUUpdate, UUID: uuid},
		cwmp.DUOperation{Kind: cwmp.DUInstall, URL: files(t) + "/missing"},
		cwmp.DUOperation{Kind: cwmp.DUUninstall, UUID: "x"})
	for i, want := range []struct {
		state   string
		version string
		fault   int
	}{{"Installed", "1.0", 0}, {"Failed", "", 9026}, {"Installed", "1.1", 0}, {"Failed", "", 9016}, {"Failed", "", 9022}} {
		if r := got[i]; r.CurrentState != want.state || r.Fault.Code != want.fault || r.Version != want.version {
			t.Errorf("operation %d: got %+v, want %+v", i, r, want)
		}
	}
	ref := got[0].DeploymentUnitRef
	if v, _ := b.cpe.Value(ref + ".UUID"); v != uuid {
		t.Errorf("%s.UUID: got %q, want %s", ref, v, uuid)
	}
	uninstall := cwmp.DUOperation{Kind: cwmp.DUUninstall, UUID: uuid}
	got = change(uninstall, uninstall)
	if got[0].CurrentState != "Uninstalled" || got[1].Fault.Code != 9028 {
		t.Errorf("got %+v", got)
	}
	if _, there := b.cpe.Value(ref + ".UUID"); there {
		t.Errorf("%s is still there", ref)
	}
}

// The requests of a CPE's own, with the events that go with them.
func TestOwnRequests(t *testing.T) {
	t.Parallel()
	answers := make(chan cwmp.Response, 8)
	b := start(t, "tr098-dsl", func(o *cpe.Options) {
		o.OnAnswer = func(_ cwmp.Request, resp cwmp.Response) { answers <- resp }
	})
	b.booted()
	for _, tc := range []struct {
		send         func() bool
		method, with string
	}{
		{func() bool { return b.cpe.Kick(&cwmp.Kicked{Next: "http://www.example.net/"}) }, "Kicked", "5 KICKED"},
		{
			func() bool { return b.cpe.RequestDownload(&cwmp.RequestDownload{FileType: firmware}) },
			"RequestDownload", cwmp.EventRequestDownload,
		},
		{
			func() bool { return b.cpe.ReportTransfer(&cwmp.AutonomousTransferComplete{FileType: firmware}) },
			"AutonomousTransferComplete", cwmp.EventAutonomousTransfer,
		},
		{
			func() bool { return b.cpe.ReportUnits(&cwmp.AutonomousDUStateChangeComplete{}) },
			"AutonomousDUStateChangeComplete", cwmp.EventAutonomousDUChange,
		},
	} {
		if !tc.send() {
			t.Fatalf("%s: not taken", tc.method)
		}
		b.wantEvents(b.booted(), tc.with)
		if got := take(t, "request", b.acs.own).Method(); got != tc.method {
			t.Errorf("got %s, want %s", got, tc.method)
		}
		if got := take(t, "answer", answers).Method(); got != tc.method+"Response" {
			t.Errorf("got %s as the answer to %s", got, tc.method)
		}
	}
}
