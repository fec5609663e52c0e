// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

//go:build soak

package property_test

// What the soak makes of it.
const (
	checks  = 200
	changes = 10_000
)
