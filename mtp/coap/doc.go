// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package coap is the CoAP binding of USP (TR-369, obsolete since USP 1.3,
// R-COAP.*) over UDP and DTLS 1.2, in server and client role. A Transport is
// one UDP socket: a Record is a POST [R-COAP.2], and what goes back is a POST
// to the reply-to of that Record [R-COAP.2a], sent from the same socket.
//
// A Link is an Endpoint, whatever port it speaks from: it comes up with the
// first Record of a from_id and is soft state. A client's Link is what its URL
// names.
//
// Of go-coap the package uses the codec (message, udp/coder) and nothing else.
// The library's server keeps a session of its own for every remote port, in a
// map without bound; a datagram that does not parse closes the session of its
// sender, forged or not; a response is remembered for 247 s per Message ID
// without bound; a body in blocks is kept without bound in size or number, and
// a missing block is answered as if it had come. None of it can be bounded from
// outside. So exchanges (exchange.go), repetitions (memory.go), blocks out
// (delivery.go) and in (transfer.go), and lanes that hold NSTART (lane.go) are
// ours. DTLS is pion/dtls on the same socket (session.go, pipe.go); tls.go makes
// its configuration of a tls.Config. What would have the library give up a
// session without proof of who sent it is dropped before (inspect).
//
// One lock per node guards all state; neither the router is called nor a
// datagram written while it is held. Goroutines of a node: the reader, the
// clock, those of DTLS sessions, and workers of Links and lanes that live while
// they have something to do. An idle Endpoint on plain UDP has none.
package coap
