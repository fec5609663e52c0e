// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package mqtt is the MQTT binding of USP: a server that is a broker for Records,
// which it routes by their to_id, and a client of another broker, as one
// Endpoint or as many that share the connection. MQTT 5 and 3.1.1 [R-MQTT.1,
// R-MQTT.2].
//
// No Record is fanned out by topic: it is acknowledged when it has been
// delivered or buffered, in the order of receipt, and one for a client is
// written to its connection, to a topic that it is subscribed to. Both roles
// have the same flow of Records. The packets are decoded, validated and, where
// they are not many, encoded by mochi's codec.
//
// With ServerOptions.Plain the server also hands on what is no Record, from
// client to client by topic: wildcards, retained messages, wills, QoS 0 and 1,
// within the queue of each receiver. There are no sessions and no shared
// subscriptions, and nothing of it leaves this server.
//
// Nothing of the library appears outside. The package knows no routing.
//
// Lock order: Server.mu, flow.mu, link.mu, plain.mu, conn.mu. None of them is
// held while the router is called.
package mqtt
