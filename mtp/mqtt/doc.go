// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package mqtt is the MQTT binding of USP: an embedded broker that takes
// PUBLISHes with Records over and routes them by their to_id, and a client of
// another broker. MQTT 5 and 3.1.1 [R-MQTT.1, R-MQTT.2].
//
// The broker is mochi's; nothing of it appears outside. What it would do with a
// PUBLISH that carries a Record is done here instead: PUBACKs are written in the
// order of receipt, each when the Record has been delivered or buffered, and a
// Record for a client is written to its connection, whatever topic it chose.
//
// Lock order: link.mu before conn.mu.
package mqtt
