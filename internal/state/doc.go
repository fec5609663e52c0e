// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package state keeps what is known of the devices in a store.Store: which CPE has
// which Endpoint ID, what its Virtual Agent has to remember, how to call it, its
// tree, what the CPE of one model have in common, and the journal of the requests
// that write. It is the glue between translate, which knows no storage, and the
// Store, which knows no devices.
//
// Every record begins with its version. One of an older version is read as if it
// had been written by this one; one of a newer version is refused, and, but for
// trees, which can be read anew, never written over: who goes back to an older
// gateway loses nothing.
package state
