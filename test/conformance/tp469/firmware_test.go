// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package tp469_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"

	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

const image1 = "Device.DeviceInfo.FirmwareImage.1."

// image puts a file where the gateway serves it from, and returns the arguments of a
// Download() of it.
func (b *bench) image(name string) map[string]string {
	b.Helper()
	content := []byte("firmware " + b.Name())
	if err := os.WriteFile(filepath.Join(b.files, name), content, 0o600); err != nil {
		b.Fatal(err)
	}
	sum := sha256.Sum256(content)
	return map[string]string{
		"URL": "uspgate:" + name, "AutoActivate": "true",
		"CheckSumAlgorithm": "SHA-256", "CheckSum": hex.EncodeToString(sum[:]),
	}
}

// download runs Download() and returns what is told of its end: by OperationComplete, by
// TransferComplete! and, if it is to boot, by Boot!.
func (b *bench) download(id string, args map[string]string, boots bool) (
	complete *uspmsg.Notify_OperationComplete, event, boot map[string]string,
) {
	b.Helper()
	b.subscribe(id+"-done", "OperationComplete", image1+"Download()")
	b.subscribe(id+"-moved", "Event", agentRoot+"TransferComplete!")
	b.subscribe(id+"-boot", "Event", "Device.Boot!")
	if r := b.operate(image1+"Download()", id, args); r.GetReqObjPath() == "" {
		b.Fatalf("got %v, want the path of a Request", r)
	}
	got := make(map[string]controller.Notify)
	for want := map[bool]int{false: 2, true: 3}[boots]; len(got) < want; {
		n := b.next(b.first, func(s string) bool { return strings.HasPrefix(s, id) })
		got[n.GetSubscriptionId()] = n
	}
	return got[id+"-done"].GetOperComplete(), got[id+"-moved"].GetEvent().GetParams(),
		got[id+"-boot"].GetEvent().GetParams()
}

func case9_3(b *bench) {
	before := b.value("Device.DeviceInfo.SoftwareVersion")
	complete, event, boot := b.download("fw93", b.image("fw93.bin"), true)
	if complete.GetCmdFailure() != nil || complete.GetCommandKey() != "fw93" {
		b.Errorf("got %v, want the end of Download() without failure", complete)
	}
	if event["FaultCode"] != "0" || event["CommandKey"] != "fw93" || event["Command"] != image1+"Download()" {
		b.Errorf("got TransferComplete! %v, want one without failure", event)
	}
	if boot["FirmwareUpdated"] != "true" {
		b.Errorf("got Boot! %v, want FirmwareUpdated=true", boot)
	}
	if got := b.value("Device.DeviceInfo.SoftwareVersion"); got == before {
		b.Errorf("got SoftwareVersion %s, want another than before", got)
	}
}

// The gateway has the file, and compares it before the CPE is asked.
func case9_6(b *bench) {
	args := b.image("fw96.bin")
	args["CheckSum"] = "00" + args["CheckSum"][2:]
	before := b.value("Device.DeviceInfo.SoftwareVersion")
	r := b.operate(image1+"Download()", "fw96", args)
	if r.GetCmdFailure().GetErrCode() != uint32(usp.CodeCommandFailure) {
		b.Errorf("got %v, want a failure of the command", r)
	}
	if got := b.value("Device.DeviceInfo.SoftwareVersion"); got != before {
		b.Errorf("got SoftwareVersion %s, want %s as before", got, before)
	}
}

func case9_7(b *bench) {
	complete, event, _ := b.download("fw97", b.image("fw97.bin"), true)
	if complete.GetCmdFailure() != nil || event["FaultCode"] != "0" {
		b.Errorf("got %v and %v, want no failure", complete, event)
	}
}
