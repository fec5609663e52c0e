// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package mqtt is the MQTT binding of USP: an embedded broker that takes
// PUBLISHes with Records over and routes them by their to_id, and a client of
// another broker. MQTT 5 and 3.1.1 [R-MQTT.1, R-MQTT.2].
//
// The broker is mochi's: it decodes, validates, answers CONNECT and PINGREQ and
// watches the keep-alive. What follows from PUBLISH and SUBSCRIBE is done here,
// for nothing is fanned out by topic: a Record is acknowledged when it has been
// delivered or buffered, in the order of receipt, and one for a client is
// written to its connection, to a topic that it is subscribed to. The client
// has the same flow of Records over mochi's packets; a client library either
// waits for each PUBACK or does not tell its reason.
//
// Nothing of the library appears outside. The package knows no routing.
//
// Lock order: Server.mu, flow.mu, link.mu, conn.mu. None of them is held while
// the router is called.
package mqtt
