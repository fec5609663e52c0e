// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

// ParseCertificate is parseCertificate.
var ParseCertificate = parseCertificate //nolint:gochecknoglobals // for tests
