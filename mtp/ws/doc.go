// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package ws is the WebSocket binding of USP (TR-369, "WebSocket Binding",
// R-WS.*) in server and client role. A connection is one mtp.Link.
//
// gorilla/websocket does the handshake, reads messages and control frames and
// unmasks them; data frames are written by frame.go, because the library's
// client role fragments whatever exceeds its buffer [R-WS.14a] and writes one
// frame per system call. All that is written after the handshake goes through
// the one writer of the Link's mtp.Outbox, except the Close frames by which
// the library answers a violation of RFC 6455.
//
// An idle connection has one goroutine, the reader; keep-alive is driven by
// one ticker per server.
package ws
