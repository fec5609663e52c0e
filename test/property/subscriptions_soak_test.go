// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

//go:build soak

package property_test

// changes is what the soak makes of it.
const changes = 10_000
