// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package tp469 runs the cases of TP-469, the conformance test plan for USP Agents,
// against Virtual Agents: each over a real MTP, and with a CPE of TR-098 and one of
// TR-181 behind it. Case 1.36 is the function case1_36. In the cases about an MTP the test
// is the Controller, or its broker, by hand on the wire. What the plan has not, Unix domain
// sockets, Register and the relay, are cases own.N. What came of it all is written down in
// docs/conformance.md.
package tp469
