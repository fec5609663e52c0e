// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package bench loads a relay of USP Records, this gateway or a foreign one,
// and measures it: rate, latency, and the CPU time that the relay's process
// spends per Record.
//
// The clients are its own and as cheap as they can be, so that on a machine
// with few processors the relay is what the time is spent on: a Record is framed
// once and patched, what fits the window goes out in one write, and what comes
// in is counted where it lies in the buffer. They speak plain WebSocket, MQTT 5
// and 3.1.1, STOMP 1.2, CoAP and USP's framing of Unix domain sockets, no TLS.
//
// A Load is one sender and one receiver. At most Options.Window Records are
// between them at any time; the receiver checks that none is lost or overtaken.
//
// Sessions are those of many CPE with an ACS, one after the other or as a Storm.
package bench
