// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package acs is the HTTP server side of CWMP: it terminates the sessions of
// CPE [TR-069 3.4, 3.7], authenticates them, and hands their Requests and
// turns to a Handler. It knows nothing of devices, data models or USP.
//
// A POST without a session is let in step by step, so that turning it away costs
// little: connection and slot, body, header of its credentials, token of the rate,
// envelope, account, Handler. One of a session passes none of these.
package acs
