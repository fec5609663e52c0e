// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"strconv"
	"strings"
	"time"
)

// isTransfer reports a command that moves a file, and which way.
func (c *call) isTransfer() (kind string, ok bool) {
	switch c.cmd.name {
	case "Download()", "Restore()":
		return "Download", true
	case "Upload()", "Backup()":
		return "Upload", true
	default:
		return "", false
	}
}

// transferred tells of a file that has been moved, and applies firmware if it was to be
// [TR-181 TransferComplete!]. Nothing is really moved.
func (a *Agent) transferred(c *call, began time.Time) {
	kind, ok := c.isTransfer()
	if !ok {
		return
	}
	algorithm := c.args["CheckSumAlgorithm"]
	if algorithm == "" {
		algorithm = "Unknown"
	}
	params := map[string]string{
		"Command": c.full(), "CommandKey": c.key, "Requestor": string(c.from), "TransferType": kind,
		"Affected": strings.TrimSuffix(c.object, "."), "TransferURL": c.args["URL"],
		"StartTime": began.UTC().Format(time.RFC3339), "CompleteTime": time.Now().UTC().Format(time.RFC3339),
		"FaultCode": "0", "FaultString": "", "CheckSumAlgorithm": algorithm, "CheckSum": c.args["CheckSum"],
	}
	for _, sub := range a.subscribers("Event", localAgent+"TransferComplete!", false) {
		filter := a.tree.get(a.tree.get(sub+"Recipient") + ".TransferCompletePolicy.ResultTypeFilter")
		if filter != "Failure" {
			a.eventTo([]string{sub}, localAgent, "TransferComplete!", params)
		}
	}
	if v := c.args["AutoActivate"]; c.cmd.name == "Download()" && (v == "true" || v == "1") {
		a.updateFirmware()
	}
}

// updateFirmware counts the last number of the firmware's version up and restarts.
func (a *Agent) updateFirmware() {
	const version = deviceInfo + "SoftwareVersion"
	v := a.tree.get(version)
	digits := len(v) - len(strings.TrimRight(v, "0123456789"))
	n, _ := strconv.ParseUint(v[len(v)-digits:], 10, 32) // none is 0
	a.tree.set(version, v[:len(v)-digits]+strconv.FormatUint(n+1, 10))
	a.restart("LocalReboot", "", true)
}
