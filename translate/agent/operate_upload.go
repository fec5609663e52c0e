// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/transfer"
)

// uploadCommand is VendorLogFile.{i}.Upload(), asynchronous.
func uploadCommand() *command {
	return &command{
		name: "Upload()", async: true, in: fileArgs(), required: []string{"URL"}, login: true,
		run: func(a *Agent, c *call) {
			a.startTransfer(c, transfer.Job{
				Upload: true, Types: a.uploadTypes(c.object, cwmp.FileUploadLogInstance, cwmp.FileUploadLog),
			})
		},
	}
}
