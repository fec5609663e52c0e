// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package xmpp asks CPE for a session by XMPP [TR-069 Annex K]: a Client keeps one
// connection to an XMPP server, on which the CPE are too, and sends each an IQ with
// the Connection Request.
//
// mellium.im/xmpp speaks XMPP and does not show outside. It bounds nothing of what
// it reads, which is why the Client counts the bytes below it.
package xmpp
