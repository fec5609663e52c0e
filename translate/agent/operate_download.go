// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/transfer"
	"github.com/uspgate/uspgate/usp"
)

// downloadCommand is FirmwareImage.{i}.Download(), asynchronous: it is complete when
// the CPE has reported the transfer.
//
// Deviation checksum_unverified: CWMP has no field for CheckSum. The gateway verifies it for the files that
// it serves itself (uspgate:…); what the CPE fetches elsewhere it verifies as it
// likes.
//
// Deviation image_not_chosen: a Download of CWMP does not say into which image: that is what the CPE
// decides, whatever the row of the command.
func downloadCommand() *command {
	return &command{
		name: "Download()", async: true,
		in:       fileArgs("AutoActivate", "FileSize", "CheckSumAlgorithm", "CheckSum"),
		required: []string{"URL", "AutoActivate"}, run: (*Agent).operateDownload,
	}
}

func (a *Agent) operateDownload(c *call) {
	defer func() {
		if c.err == nil {
			a.host.metrics.deviate(deviationImageChoice)
		}
	}()
	switch v := c.args["AutoActivate"]; v {
	case "true", "1":
		a.startTransfer(c, transfer.Job{Types: []string{cwmp.FileFirmware}, Firmware: true})
	case "false", "0":
		a.lock()
		own := a.ofCPE(c.object)
		a.unlock()
		if !own {
			// Deviation applied_at_once: TR-181 wants the image kept until Activate(); CPE with one
			// image apply what they download.
			a.host.metrics.deviate(deviationAppliedAtOnce)
			c.err = invalid(usp.CodeCommandFailure, "", "this CPE applies what it downloads: AutoActivate has to be true")
			return
		}
		a.startTransfer(c, transfer.Job{Types: []string{cwmp.FileStoredFirmware}})
	default:
		c.err = invalid(usp.CodeInvalidCommandArgs, "", "AutoActivate is no boolean")
	}
}
