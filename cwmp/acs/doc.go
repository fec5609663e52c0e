// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package acs is the HTTP server side of CWMP: it terminates the sessions of
// CPE [TR-069 3.4, 3.7], authenticates them, and hands their Requests and
// turns to a Handler. It knows nothing of devices, data models or USP.
package acs
