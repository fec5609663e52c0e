// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package ws is the WebSocket binding of USP (TR-369, "WebSocket Binding",
// R-WS.*) in server and client role. A connection is one mtp.Link.
//
// gorilla/websocket shakes hands. After that frames are read and written here,
// because the library's client role fragments whatever exceeds its buffer
// [R-WS.14a], and it reads and writes one frame per system call and keeps a
// buffer per connection. All that is written after the handshake goes through
// the one writer of the Link's mtp.Outbox, and then the Close frame.
//
// An idle connection has one goroutine, the reader, with the smallest stack
// there is, and no buffer; keep-alive is driven by one ticker per server.
package ws
