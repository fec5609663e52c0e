// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package quirks_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// firmware is what every image has in it.
const firmware = "an image of a firmware"

// gateway is one of the gateways of the matrix.
type gateway struct {
	*harness.Gateway

	models map[string]*cpe.Model
	folder string // of its files
	names  atomic.Int32
}

// newGateway has fw.bin among its files.
func newGateway(t *testing.T, cwmp string, models map[string]*cpe.Model) *gateway {
	t.Helper()
	g := &gateway{models: models, folder: t.TempDir()}
	if err := os.WriteFile(filepath.Join(g.folder, "fw.bin"), []byte(firmware), 0o600); err != nil {
		t.Fatal(err)
	}
	g.Gateway = harness.Start(t, fmt.Sprintf(base, g.folder)+cwmp)
	return g
}

// free is a name that no file has.
func (g *gateway) free() string { return "config-" + strconv.Itoa(int(g.names.Add(1))) + ".bin" }

// file is what is in a file; "" if there is none.
func (g *gateway) file(name string) string {
	b, err := os.ReadFile(filepath.Join(g.folder, filepath.Base(name)))
	if err != nil {
		return ""
	}
	return string(b)
}

// complete runs a command and waits for its OperationComplete.
func (b *box) complete(command string, args map[string]string) (map[string]string, error) {
	b.t.Helper()
	b.commands++
	key := "key-" + strconv.Itoa(b.commands)
	if b.commands == 1 {
		b.subscribe("done", "OperationComplete", "Device.")
	}
	resp, err := b.ctl.Operate(b.ctx(), b.agent, command, key, args)
	if err != nil {
		return nil, err
	}
	for _, r := range resp.GetOperationResults() {
		if f := r.GetCmdFailure(); f != nil {
			return nil, fmt.Errorf("%d %s", f.GetErrCode(), f.GetErrMsg())
		}
		if r.GetReqOutputArgs() != nil {
			return r.GetReqOutputArgs().GetOutputArgs(), nil
		}
	}
	n := b.notified("OperationComplete of "+command, func(n *uspmsg.Notify) bool {
		return n.GetOperComplete().GetCommandKey() == key
	}).GetOperComplete()
	if f := n.GetCmdFailure(); f != nil {
		return nil, fmt.Errorf("%d %s", f.GetErrCode(), f.GetErrMsg())
	}
	return n.GetReqOutputArgs().GetOutputArgs(), nil
}

// download updates the firmware.
func (b *box) download(r row) {
	b.t.Helper()
	const version = "Device.DeviceInfo.SoftwareVersion"
	before := b.get(version)[version]
	_, err := b.complete("Device.DeviceInfo.FirmwareImage.1.Download()", map[string]string{
		"URL": "uspgate:fw.bin", "AutoActivate": "true", "FileSize": strconv.Itoa(len(firmware)),
	})
	switch {
	case r.refusesDownload:
		if err == nil {
			b.t.Error("Download(): got no error, want one: the CPE does not take such a URL")
		}
		return
	case err != nil:
		b.t.Errorf("Download(): %v", err)
		return
	}
	if after := b.get(version)[version]; after == before || after == "" {
		b.t.Errorf("%s: got %q after the download, want another than %q", version, after, before)
	}
}

// backup uploads the configuration, and restores it.
func (b *box) backup(r row) {
	b.t.Helper()
	name := b.gw.free()
	const file = "Device.DeviceInfo.VendorConfigFile.1."
	if _, err := b.complete(file+"Backup()", map[string]string{"URL": "uspgate:" + name}); err != nil {
		b.t.Errorf("Backup(): %v", err)
		return
	}
	if got := b.gw.file(name); !strings.Contains(got, raw[b.model].ssid+"=") {
		b.t.Errorf("Backup(): got a file of %d bytes, want the configuration", len(got))
	}
	if err := b.set("Device.WiFi.SSID.1.", "SSID", "another"); err != nil {
		b.t.Errorf("Set: %v", err)
	}
	_, err := b.complete(file+"Restore()", map[string]string{
		"URL": "uspgate:" + name, "FileSize": strconv.Itoa(len(b.gw.file(name))),
	})
	switch {
	case r.refusesDownload:
		return
	case err != nil:
		b.t.Errorf("Restore(): %v", err)
		return
	}
	b.want("Device.WiFi.SSID.1.SSID", ssid)
}

// ping runs a diagnostic.
func (b *box) ping() {
	b.t.Helper()
	out, err := b.complete("Device.IP.Diagnostics.IPPing()", map[string]string{
		"Host": "host.example.net", "NumberOfRepetitions": "3", "ProtocolVersion": "Any", "Timeout": "1000",
		"DataBlockSize": "64",
	})
	if err != nil {
		b.t.Errorf("IPPing(): %v", err)
		return
	}
	if out["SuccessCount"] != "3" || out["AverageResponseTime"] != "14" {
		b.t.Errorf("IPPing(): got %v, want three answers", out)
	}
}
