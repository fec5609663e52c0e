// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"strings"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/transfer"
)

// backupCommand is VendorConfigFile.{i}.Backup(), asynchronous: an Upload.
func backupCommand() *command {
	return &command{
		name: "Backup()", async: true, in: fileArgs(), required: []string{"URL"}, login: true,
		run: func(a *Agent, c *call) {
			a.startTransfer(c, transfer.Job{
				Upload: true, Types: a.uploadTypes(c.object, cwmp.FileUploadConfigInstance, cwmp.FileUploadConfig),
			})
		},
	}
}

// uploadTypes are the FileTypes for the file that a row is about: by its number at the
// CPE, as newer ones want it, and without, as older ones do, where there is only one.
func (a *Agent) uploadTypes(row, instance, older string) []string {
	a.lock()
	defer a.unlock()
	if !a.ofCPE(row) {
		return []string{older, instance + " 1"}
	}
	n := lastInstance(row)
	if sources := a.view.Sources(row); len(sources) == 1 && lastInstance(sources[0]) != "" {
		n = lastInstance(sources[0])
	}
	types := []string{instance + " " + n}
	if len(a.view.Instances(tableOf(row))) == 1 {
		types = append(types, older)
	}
	return types
}

// lastInstance is the instance number at the end of a path, empty for none.
func lastInstance(p string) string {
	p = strings.TrimSuffix(p, ".")
	if last := p[strings.LastIndexByte(p, '.')+1:]; isInstance(last) {
		return last
	}
	return ""
}
