// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package relay fetches files from the servers of Controllers, for CPE that cannot do so
// themselves [quirk 71]: they take no https, no port, no long URL, or want to know the
// size before. What was fetched is kept in a folder for a while, once for all CPE.
//
// It asks only those servers that the operator has named, also where one redirects:
// Controllers must not have the gateway ask its own neighbours.
package relay
