// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"strings"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

const (
	firmwareTable = deviceInfo + "FirmwareImage."
	configTable   = deviceInfo + "VendorConfigFile."
	logTable      = deviceInfo + "VendorLogFile."
)

// fileObjects are the files of a CPE that commands move. One row of each is shown where
// the CPE has no such table: most CPE take the RPCs all the same.
func fileObjects() []*localObject {
	image := obj(firmwareTable+"{i}.",
		alias(),
		ro("Name", path.TypeString, ""),
		calc("Version", path.TypeString, func(a *Agent, _ string) string {
			v, _ := a.value(deviceInfo + "SoftwareVersion")
			return v
		}),
		ro("Available", path.TypeBoolean, "true"),
		ro("Status", path.TypeString, "Active"),
		ro("BootFailureLog", path.TypeString, ""),
	).keyed([]string{"Alias"})
	image.commands = []*command{downloadCommand(), activateCommand()}
	config := obj(configTable+"{i}.",
		alias(),
		ro("Name", path.TypeString, "configuration"),
		ro("Version", path.TypeString, ""),
		ro("Date", path.TypeDateTime, unknownTime),
		ro("Description", path.TypeString, ""),
		ro("UseForBackupRestore", path.TypeBoolean, "true"),
	).keyed([]string{"Name"}, []string{"Alias"})
	config.commands = []*command{backupCommand(), restoreCommand()}
	log := obj(logTable+"{i}.",
		alias(),
		ro("Name", path.TypeString, "log"),
		ro("MaximumSize", path.TypeUnsignedInt, "0"),
		ro("Persistent", path.TypeBoolean, "false"),
	).keyed([]string{"Name"}, []string{"Alias"})
	log.commands = []*command{uploadCommand()}
	return []*localObject{image, config, log}
}

// restoreFiles makes the rows of the files.
func (a *Agent) restoreFiles(t *tx) {
	for _, table := range []string{firmwareTable, configTable, logTable} {
		if a.local.rows[table] == nil {
			t.add(table, "")
		}
	}
}

// onlyImage refuses to boot what is not there.
func onlyImage(v string) *usp.Error {
	if strings.TrimSuffix(v, ".") == firmwareTable+"1" {
		return nil
	}
	return &usp.Error{Code: usp.CodeInvalidValue, Text: "the CPE has one firmware image only"}
}
