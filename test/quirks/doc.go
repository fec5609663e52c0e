// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package quirks tests whole sessions with simulated CPE that have one quirk
// each, of both data models: a Controller discovers, reads, writes, adds,
// deletes, reboots, transfers and tests, and has to see what it would see of a
// CPE without quirks.
package quirks
