// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package cli is the command line of uspgate: it turns arguments into calls
// and results into tables, JSON and exit codes. One file per verb.
package cli
