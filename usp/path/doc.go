// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package path knows USP path names [R-ARC.7]: it parses Object, Object
// Instance, Parameter, Command and Event Paths with wildcards, search
// expressions, unique keys and reference following, and resolves them against
// an instantiated data model.
//
// It is a pure engine: no I/O, no goroutines, no state between calls. All its
// values are immutable and safe for concurrent use.
package path
