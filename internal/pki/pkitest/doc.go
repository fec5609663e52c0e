// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package pkitest makes certificate authorities, certificates and revocation
// lists for tests, as values and as files.
package pkitest
