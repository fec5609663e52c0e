// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package routing decides where a USP Record goes and keeps the promise made
// by its acknowledgement: it is the MTP Proxy of TR-369, without the MTPs.
//
// Router implements mtp.Handler. It reads the header of a Record, never the
// Message inside but for one msg_id [R-SEC.4c], and forwards bytes. DESIGN.md
// argues the guarantee; in short: a Record is acknowledged to the Link it came
// from once it is delivered or kept in the buffer, and Records of one
// (from, to) never overtake each other.
//
// The package knows no concrete MTP, no CWMP and no translation.
//
// Lock order: a lane's lock, then that of the Controller's pairs, then one of
// a Port's, then a shard of the table, then leaves (reply-to store, watchers,
// work queue). No lock is held while Link.Ack, Link.Close or a watcher runs.
// Link.Enqueue and Queue.Put are called under the lane's lock: that is what
// makes order; both may call back (Settled, settled) from within, which is why
// outcomes go through an inbox that the holder of the lock empties.
package routing
