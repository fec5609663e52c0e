// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package connreq makes a CPE open a session.
//
// A Client sends the HTTP Connection Request of TR-069 3.2.2, a GET with digest
// authentication to the address that the CPE has announced; package udp below sends
// those of Annex G, and xmpp those of Annex K. A Waker is the ladder of all three:
// it asks once for all who want a CPE, waits for the session, repeats, and goes on to
// the next way. It does not know sessions: whoever serves them tells it by Arrived.
//
// Lock order: none of Waker.mu, slots.mu is held while the other is taken.
package connreq
