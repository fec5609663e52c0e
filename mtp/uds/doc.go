// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package uds is the Unix domain socket binding of USP (TR-369, "UNIX Domain
// Socket Binding", R-UDS.*) in server and client role. A connection is one
// mtp.Link, both ends of which are on this host.
//
// The stream is a sequence of frames of type-length-value fields, see codec.go.
// Each side says in a Handshake which Endpoint it is; afterwards Records flow.
// A server, or a client, shows exactly one Endpoint to its peer by
// LinkOptions.Presents [R-UDS.17], or is a gateway with many behind it.
//
// There is no way to find the next frame behind one that makes no sense, as the
// sync bytes may stand inside of a Record: whatever does not parse is answered
// with an Error field and ends the connection [R-UDS.23].
//
// An idle connection has one goroutine, the reader, and no buffer but a few
// dozen bytes. It is not pinged: the kernel tells when the other process ends.
//
// Lock order: Server.mu before link.mu; wire.mu is a leaf.
package uds
