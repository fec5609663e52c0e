// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/pki/pkitest"
	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// image writes a file of that many bytes into the folder.
func image(t *testing.T, dir, name string, size int) (content []byte, sum string) {
	t.Helper()
	content = bytes.Repeat([]byte("firmware"), size/8)
	if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(content)
	return content, hex.EncodeToString(digest[:])
}

// subscribe has a Controller told of the ends of transfers.
func subscribe(t *testing.T, north *controller.Controller, id usp.EndpointID) {
	t.Helper()
	for _, s := range []controller.Subscription{
		{ID: "done", Type: "OperationComplete", References: []string{"Device."}},
		{ID: "moved", Type: "Event", References: []string{"Device.LocalAgent.TransferComplete!"}},
	} {
		s.Retry, s.Persistent = true, true
		if _, err := north.Subscribe(deadline(t), id, s); err != nil {
			t.Fatal(err)
		}
	}
}

// operate begins a command that goes on.
func operate(t *testing.T, north *controller.Controller, id usp.EndpointID, command string, args map[string]string) {
	t.Helper()
	resp, err := north.Operate(deadline(t), id, command, "the key of the Controller, longer than 32 bytes", args)
	if err != nil {
		t.Fatal(err)
	}
	if f := resp.GetOperationResults()[0].GetCmdFailure(); f != nil {
		t.Fatalf("%s: got %d %s, want it begun", command, f.GetErrCode(), f.GetErrMsg())
	}
}

// transferred waits for what a Controller is told at the end of a transfer: the failure
// of the command, nil for none, and TransferComplete!.
func transferred(t *testing.T, north *controller.Controller) (fail *uspmsg.Notify_OperationComplete_CommandFailure,
	event map[string]string,
) {
	t.Helper()
	complete := false
	for end := time.After(harness.Timeout); !complete || event == nil; {
		select {
		case n := <-north.Notifies():
			if oc := n.GetOperComplete(); oc != nil {
				complete, fail = true, oc.GetCmdFailure()
			}
			if e := n.GetEvent(); e.GetEventName() == "TransferComplete!" {
				event = e.GetParams()
			}
		case <-end:
			t.Fatalf("got no end of the transfer: OperationComplete %v, TransferComplete! %v", complete, event)
		}
	}
	return fail, event
}

// A configuration goes to the gateway's file server and back, whatever the CPE leaves
// out of its reports.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	for name, q := range map[string]cpe.Quirks{
		"standard": {}, "quirk 69, no key": {NoCommandKey: true}, "quirk 69, wrong key": {WrongCommandKey: true},
		"quirk 72, in the session": {TransferInSession: true},
		"by POST, chunked":         {UploadByPost: true, UploadChunked: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			gw := harness.Start(t, fmt.Sprintf("cwmp: {files: {listen: 127.0.0.1:0, root: %q, upload_root: %q}}\n", dir, dir))
			box := gw.CPE("tr181-wifi", func(o *cpe.Options) { o.Quirks = q })
			north := gw.Controller(gw.WS(), "self::north")
			subscribe(t, north, box.Agent)
			operate(t, north, box.Agent, "Device.DeviceInfo.VendorConfigFile.1.Backup()",
				map[string]string{"URL": "uspgate:1.cfg"})
			if fail, event := transferred(t, north); fail != nil || event["TransferType"] != "Upload" {
				t.Fatalf("got %v and %v, want an Upload without failure", fail, event)
			}
			file := filepath.Join(dir, "1.cfg")
			if content, err := os.ReadFile(file); err != nil || len(content) == 0 {
				t.Fatalf("got %d bytes, %v, want the configuration", len(content), err)
			}
			operate(t, north, box.Agent, "Device.DeviceInfo.VendorConfigFile.1.Restore()",
				map[string]string{"URL": "uspgate:1.cfg"})
			fail, event := transferred(t, north)
			if fail != nil || event["FaultCode"] != "0" || event["CommandKey"] == "" ||
				event["Affected"] != "Device.DeviceInfo.VendorConfigFile.1" || event["Requestor"] != "self::north" {
				t.Fatalf("got %v and %v, want no failure, and who has asked", fail, event)
			}
		})
	}
}

// Firmware of which the CPE never reports the download shows in its version
// [quirk 68]; one that reports 9010 at first gets it the second time [quirk 72].
func TestQuirk68Quirk72Firmware(t *testing.T) {
	t.Parallel()
	for name, q := range map[string]cpe.Quirks{
		"quirk 68": {NoTransferComplete: true}, "quirk 72": {DownloadFailsOnce: true}, "standard": {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			_, sum := image(t, dir, "fw.bin", 1<<16)
			gw := harness.Start(t, fmt.Sprintf(
				"cwmp: {transfers: {report_wait: 3s}, files: {listen: 127.0.0.1:0, root: %q, auth: digest}}\n", dir))
			box := gw.CPE("tr098-dsl", func(o *cpe.Options) { o.Quirks = q })
			north := gw.Controller(gw.WS(), "self::north")
			const version = "Device.DeviceInfo.SoftwareVersion"
			before := getOne(t, north, box.Agent, version)
			subscribe(t, north, box.Agent)
			command := "Device.DeviceInfo.FirmwareImage.1.Download()"
			operate(t, north, box.Agent, command, map[string]string{
				"URL": "uspgate:fw.bin", "AutoActivate": "true", "CheckSumAlgorithm": "SHA-256", "CheckSum": sum,
			})
			if fail, event := transferred(t, north); fail != nil || event["Command"] != command {
				t.Fatalf("got %v and %v, want no failure", fail, event)
			}
			harness.Eventually(t, func() error {
				if got := getOne(t, north, box.Agent, version); got == before {
					return errors.New("the version is the old one")
				}
				return nil
			})
		})
	}
}

// What old CPE cannot fetch from the server of the Controller, the gateway does for them.
func TestQuirk71Relay(t *testing.T) {
	t.Parallel()
	ca, dir := pkitest.NewAuthority(t, "CA"), t.TempDir()
	content, sum := image(t, dir, "fw.bin", 1<<16)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "north" || password != "secret" || r.URL.Path != "/fw/fw.bin" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		_, _ = w.Write(content)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Issue()}, MinVersion: tls.VersionTLS13}
	server.StartTLS()
	t.Cleanup(server.Close)
	gw := harness.Start(t, fmt.Sprintf("cwmp: {files: {listen: 127.0.0.1:0, relay: [%q], relay_ca: %q}}\n",
		server.URL+"/fw/", pkitest.WriteCA(t, dir, "ca", ca)))
	box := gw.CPE("tr098-dsl", func(o *cpe.Options) {
		o.Quirks = cpe.Quirks{DownloadNoTLS: true, DownloadSize: true, DownloadTarget: true, DownloadExtension: true}
	})
	north := gw.Controller(gw.WS(), "self::north")
	subscribe(t, north, box.Agent)
	args := map[string]string{
		"URL": server.URL + "/fw/fw.bin", "Username": "north", "Password": "secret", "AutoActivate": "true",
		"CheckSumAlgorithm": "SHA-256", "CheckSum": sum,
	}
	const command = "Device.DeviceInfo.FirmwareImage.1.Download()"
	operate(t, north, box.Agent, command, args)
	if fail, event := transferred(t, north); fail != nil || event["TransferURL"] != args["URL"] {
		t.Fatalf("got %v and %v, want no failure, and the URL of the Controller", fail, event)
	}
	for name, change := range map[string][2]string{
		"login": {"Password", "wrong"}, "checksum": {"CheckSum", "00"}, "file": {"URL", server.URL + "/fw/other.bin"},
	} {
		wrong := maps.Clone(args)
		wrong[change[0]] = change[1]
		operate(t, north, box.Agent, command, wrong)
		if fail, event := transferred(t, north); usp.Code(fail.GetErrCode()) != usp.CodeCommandFailure ||
			event["FaultCode"] != "7022" {
			t.Errorf("%s: got %v and %v, want 7022", name, fail, event)
		}
	}
}

// What the Profile of a CPE says of Downloads: what it would refuse it is not asked, and
// where it tells no end of them none is waited for.
func TestQuirk71Quirk68Profile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	image(t, dir, "fw.bin", 1<<16)
	gw := harness.Start(t, fmt.Sprintf(`cwmp:
  files: {listen: 127.0.0.1:0, root: %q}
  profiles:
    - product_class: DSL*
      download: {no_tls: true, need_target: true, extension: .bin}
      transfer_complete_unreliable: true
`, dir))
	box := gw.CPE("tr098-dsl", func(o *cpe.Options) {
		o.ProductClass = "DSL7"
		o.Quirks = cpe.Quirks{NoTransferComplete: true, DownloadTarget: true, DownloadNoTLS: true}
	})
	north := gw.Controller(gw.WS(), "self::north")
	subscribe(t, north, box.Agent)
	const command = "Device.DeviceInfo.FirmwareImage.1.Download()"
	for url, want := range map[string]string{
		"https://files.example.net/fw.bin": "this CPE takes no URL of https",
		"http://files.example.net/fw.img":  "this CPE takes files only whose name ends in .bin",
	} {
		args := map[string]string{"URL": url, "AutoActivate": "true"}
		resp, err := north.Operate(deadline(t), box.Agent, command, url, args)
		if err != nil {
			t.Fatal(err)
		}
		f := resp.GetOperationResults()[0].GetCmdFailure()
		if usp.Code(f.GetErrCode()) != usp.CodeInvalidCommandArgs || !strings.Contains(f.GetErrMsg(), want) {
			t.Errorf("%s: got %d %q, want 7027: %s", url, f.GetErrCode(), f.GetErrMsg(), want)
		}
	}
	operate(t, north, box.Agent, command, map[string]string{"URL": "uspgate:fw.bin", "AutoActivate": "true"})
	if fail, _ := transferred(t, north); fail != nil { // long before report_wait
		t.Fatalf("got %v, want no failure", fail)
	}
}

// A file with another checksum does not leave the gateway, nor one outside of its folder.
func TestFilesThatAreNotServed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	image(t, dir, "fw.bin", 64)
	gw := harness.Start(t, fmt.Sprintf("cwmp: {files: {listen: 127.0.0.1:0, root: %q}}\n", dir))
	box := gw.CPE("tr098-dsl", nil)
	north := gw.Controller(gw.WS(), "self::north")
	for name, args := range map[string]map[string]string{
		"checksum":  {"URL": "uspgate:fw.bin", "CheckSumAlgorithm": "SHA-256", "CheckSum": "00"},
		"algorithm": {"URL": "uspgate:fw.bin", "CheckSumAlgorithm": "MD5", "CheckSum": "00"},
		"outside":   {"URL": "uspgate:../fw.bin"},
		"absolute":  {"URL": "uspgate:/etc/passwd"},
		"missing":   {"URL": "uspgate:other.bin"},
		"folder":    {"URL": "uspgate:."},
	} {
		args["AutoActivate"] = "true"
		resp, err := north.Operate(deadline(t), box.Agent, "Device.DeviceInfo.FirmwareImage.1.Download()", name, args)
		if err != nil {
			t.Fatal(err)
		}
		f := resp.GetOperationResults()[0].GetCmdFailure()
		if usp.Code(f.GetErrCode()) != usp.CodeCommandFailure || !strings.Contains(f.GetErrMsg(), "file server: ") {
			t.Errorf("%s: got %d %q, want 7022 of the file server", name, f.GetErrCode(), f.GetErrMsg())
		}
	}
}

// The gateway is killed while a CPE fetches its firmware. The one that follows has the
// transfer, and the URL, and the CPE gets it the second time.
func TestKilledGatewayGoesOnWithATransfer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	image(t, dir, "fw.bin", 1<<20)
	name, wsAddr, cwmpAddr, metrics, fileAddr := program(t), freePort(t), freePort(t), freePort(t), freePort(t)
	environ := []string{
		"USPGATE_MTP__0__TYPE=websocket", "USPGATE_MTP__0__NAME=ws", "USPGATE_MTP__0__LISTEN=" + wsAddr,
		"USPGATE_MTP__1__LISTEN=127.0.0.1:0", "USPGATE_CWMP__LISTEN=" + cwmpAddr, "USPGATE_METRICS__LISTEN=" + metrics,
		"USPGATE_ADMIN__LISTEN=127.0.0.1:0", "USPGATE_DATA_DIR=" + t.TempDir(), "USPGATE_CWMP__FILES__LISTEN=" + fileAddr,
		"USPGATE_CWMP__FILES__ROOT=" + dir, "USPGATE_CWMP__FILES__MAX_RATE_PER_TRANSFER=512KiB",
	}
	ready := "http://" + metrics + "/readyz"
	kill := serveProgram(t, name, environ, ready)
	m, err := cpe.LoadBuiltin("tr098-dsl")
	if err != nil {
		t.Fatal(err)
	}
	box, err := cpe.New(cpe.Options{
		ACS: "http://" + cwmpAddr, Model: m, Serial: "1", RebootTime: 200 * time.Millisecond, Log: harness.Log(t),
		RetryWait: func(uint32) time.Duration { return 200 * time.Millisecond },
	})
	if err != nil {
		t.Fatal(err)
	}
	harness.Background(t, "cpe", box.Run)
	if s := <-box.Sessions(); s.Err != nil {
		t.Fatalf("first session: %v", s.Err)
	}
	id := agent.EndpointIDFor(box.Identity())
	north := northOf(t, wsAddr)
	getOne(t, north, id, "Device.DeviceInfo.SoftwareVersion")
	subscribe(t, north, id)
	operate(t, north, id, "Device.DeviceInfo.FirmwareImage.1.Download()",
		map[string]string{"URL": "uspgate:fw.bin", "AutoActivate": "true"})
	harness.Eventually(t, func() error {
		if !strings.Contains(scraped(t, metrics), `uspgate_files_active_transfers{direction="download"} 1`) {
			return errors.New("the CPE does not fetch yet")
		}
		return nil
	})
	kill()
	serveProgram(t, name, environ, ready)
	if fail, event := transferred(t, north); fail != nil || event["FaultCode"] != "0" {
		t.Fatalf("got %v and %v, want the transfer to succeed in the end", fail, event)
	}
	const once = `uspgate_files_transfers_total{direction="download",result="finished"} 1`
	if text := scraped(t, metrics); !strings.Contains(text, once) {
		t.Errorf("got %s, want the file served by the second process", text)
	}
}

// scraped are the metrics of the file server.
func scraped(t *testing.T, addr string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return ""
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "uspgate_files_") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}
