// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package conformance checks a whole gateway against what USP asks of it, and
// writes down the result in docs/conformance.md.
package conformance
