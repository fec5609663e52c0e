// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package stomp is the STOMP binding of USP: a server to which Endpoints connect
// as to a broker, and a client of another broker. STOMP 1.2; 1.1 is understood
// by the server [R-STOMP.2, R-STOMP.33].
//
// The server distributes nothing by destination: a Record is routed by its
// to_id, whatever it was sent to, and one for a client goes to a destination to
// which that client is subscribed. Both roles have the same flow of Records. The
// codec is our own, because every length in it is a peer's claim: memory is used
// for what has arrived, within bounds, never for what a header promises.
//
// The package knows no routing.
//
// Lock order: Server.mu or Client.mu, keeper.mu, flow.mu, link.mu, conn.mu. None
// of them is held while the router is called.
package stomp
