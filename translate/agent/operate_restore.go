// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/transfer"
)

// restoreCommand is VendorConfigFile.{i}.Restore(), asynchronous: a Download, of which
// CWMP does not say for which row. For CheckSum see downloadCommand.
func restoreCommand() *command {
	return &command{
		name: "Restore()", async: true, in: fileArgs("FileSize", "TargetFileName", "CheckSumAlgorithm", "CheckSum"),
		required: []string{"URL"}, login: true,
		run: func(a *Agent, c *call) {
			a.startTransfer(c, transfer.Job{Types: []string{cwmp.FileConfig}})
		},
	}
}
