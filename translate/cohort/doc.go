// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package cohort says which CPE are meant: a Selector is plain data that somebody has
// written, by what a CPE is, what is listed of it, and a share of those that fit. The
// package knows nothing of what is done with the CPE that are meant, of sessions or of
// storage.
//
// Nothing here is guarded: a Selector is not changed while it is used, a Matcher never.
package cohort
