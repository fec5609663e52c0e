// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package kill ends `uspgate serve` in every way in which a process can end,
// and fills, damages and takes away its disk, while senders and receivers of
// its own keep a ledger: what was acknowledged arrives, in order, and twice
// only where the last hop explains it.
//
// The senders and receivers share no code with the gateway but the package usp:
// a mistake in a carrier is not made on both sides.
package kill
