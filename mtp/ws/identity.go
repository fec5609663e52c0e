// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws

import (
	"crypto/x509"
	"slices"

	"github.com/uspgate/uspgate/mtp"
)

// bounded adds the configured patterns to what a peer may speak for. A shared
// Link without any bound speaks for whomever it likes; on any other Link the
// patterns bound what was merely claimed, and add nothing to what was proved.
// What Auth has decided stays: a password may well stand for one Endpoint that
// is not known before.
func bounded(id mtp.Identity, patterns []string, shared bool) mtp.Identity {
	switch {
	case shared:
		id.Patterns = slices.Concat(id.Patterns, patterns)
		proved := id.Method == "password" || len(id.IDs) > 0
		id.Any = id.Any || !proved && len(id.Patterns) == 0
	case !id.Any && len(id.IDs) == 0 && len(id.Patterns) == 0:
		id.Patterns = patterns
	}
	return id
}

// certificateName is the subject of a certificate, and where that is empty the
// first thing that it names.
func certificateName(cert *x509.Certificate) string {
	if name := cert.Subject.String(); name != "" {
		return name
	}
	switch {
	case len(cert.URIs) > 0:
		return cert.URIs[0].String()
	case len(cert.DNSNames) > 0:
		return cert.DNSNames[0]
	default:
		return ""
	}
}
