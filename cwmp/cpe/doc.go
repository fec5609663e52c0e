// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package cpe is the CPE side of CWMP [TR-069 3.2, 3.7]: it opens sessions
// with an ACS, reports events until they are delivered, sends the CPE's own
// requests, hands the ACS's requests to a Device one at a time, retries failed
// sessions, and listens for Connection Requests.
//
// It knows no data model: what a parameter is, and what an RPC does, is the
// Device's business. A simulated CPE and the Virtual CPE both stand on it.
//
// A Client and a Listener each run in the goroutine that calls Run and leave
// none behind.
package cpe
