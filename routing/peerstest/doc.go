// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package peerstest has a routing.Peers in memory, for several Routers in one
// process, and the suite that every implementation passes.
//
// Cluster is a directory, a membership and Links between nodes, with delays,
// deaths and losses to order. Store is a buffer.Queue that its nodes share.
package peerstest
