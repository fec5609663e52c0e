// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package files is the HTTP file server of CWMP: CPE fetch from it what Download
// and ScheduleDownload name, and send to it what Upload names [TR-069 A.3.2.8,
// A.4.1.5]. Its owner opens a job for each transfer that it is about to ask for,
// gets the URL to ask with, and is told what the CPE did.
//
// It must not know: RPCs, CommandKeys, sessions, devices. What it does with CPE
// that follow HTTP in their own way is that of quirks 33, 34, 36, 38, 42 to 45
// and 47; what it reports is what quirks 68 to 72 are decided with.
//
// Lock order: a job's commit, then its mu or the admission's, then a transfer's.
// The table's is taken alone, and no callback is called with any of them but
// Destination.Commit, which has the first.
package files
