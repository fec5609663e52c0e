// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package httpauth is what the HTTP servers of CWMP share of Basic and Digest
// authentication (RFC 7617, 7616, 2617, 2069): challenges, nonces that need no
// memory, and the reading of what CPE answer, with the deviations of the field
// [quirks 43, 44, 45]. It knows no users, sessions or connections.
package httpauth
