// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

const credentialTable = trustRoot + "Credential."

// The values of AllowedUses.
const (
	usesMTPOnly   = "MTP-only"
	usesMTPAndUSP = "MTP-and-USP"
	usesBroker    = "MTP-and-broker"
)

// credentialObjects is Device.LocalAgent.ControllerTrust.Credential.: Roles for those whose
// certificate is the one that a row names, or was issued by it, and has been shown to the
// MTP. One that is for the MTP alone gives none.
func credentialObjects() []*localObject {
	o := obj(credentialTable+"{i}.",
		alias(),
		rw("Enable", path.TypeBoolean, "false"),
		rw("Role", path.TypeString|path.List, ""),
		once("Credential", path.TypeString),
		rw("AllowedUses", path.TypeString, usesMTPAndUSP, oneOf(usesMTPOnly, usesMTPAndUSP, usesBroker)),
	).keyed([]string{"Credential"}, []string{"Alias"}).rows()
	o.check = checkCredential
	return []*localObject{o}
}

func checkCredential(l *local, row string) *usp.Error {
	if len(l.rows[credentialTable]) > maxCertificates {
		return invalid(usp.CodeResourcesExceeded, row, "too many Credentials")
	}
	refs := references(l.get(row + "Credential"))
	if len(refs) > 1 {
		return invalid(usp.CodeInvalidValue, row+"Credential", "want one Certificate")
	}
	if err := l.areCertificates(row+"Credential", refs); err != nil {
		return err
	}
	return l.areRoles(row+"Role", references(l.get(row+"Role")))
}
