// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package profile says how a model of CPE differs from the standard: quirks as data.
// There are three layers, the later before the earlier: what the gateway comes with, what
// the operator has written, and what it has learned by trying. The package knows nothing
// of sessions or of storage; who acts on a field says so in its comment.
//
// Nothing here is guarded: a Table is not changed once it is made.
package profile
