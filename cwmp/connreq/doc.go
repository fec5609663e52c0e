// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package connreq makes a CPE open a session: the HTTP Connection Request of
// TR-069 3.2.2, a GET with digest authentication to the address that the CPE
// has announced.
package connreq
