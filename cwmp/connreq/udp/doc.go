// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package udp asks CPE behind a NAT for a session by UDP [TR-069 Annex G]: a
// STUN server to which CPE send Binding Requests, and on the same sockets, since a
// NAT lets in only what comes from there, UDP Connection Requests.
//
// The Server answers STUN as RFC 3489 and RFC 5389 have it, and remembers from
// where each CPE has asked last. It knows no HTTP and no sessions.
package udp
