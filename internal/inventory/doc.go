// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package inventory reads lists of CPE that an operator has: CSV, and what
// mongoexport makes of the collection devices of GenieACS. It knows neither where
// they are kept nor what for.
//
// A file is read as a stream, one entry in memory at a time. What is wrong with an
// entry is a Problem, with its line and what to do about it; it never repeats a
// password.
package inventory
