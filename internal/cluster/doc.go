// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package cluster makes several uspgate processes on one NATS cluster one
// gateway.
//
// Each process is a node. It has a name and, while it lives, a lease in the
// Store; the revision with which the lease was made is the node's epoch. Every
// address of an Endpoint has one owner, in the Store as well, claimed by
// compare-and-set. Nothing is elected and nothing is agreed upon here: what the
// Store says is so.
//
// Nodes speak to each other over a Bus. Between two that live there is one Link,
// over which Records go to the owner of their target; a shared connection of
// one node (an external broker, a Controller) is a Link at the others as well;
// and the CWMP session of a CPE goes on at the node that owns the device.
//
// The package does not know NATS: the Store and the Bus are internal/engine's,
// or the ones in memory.
package cluster
