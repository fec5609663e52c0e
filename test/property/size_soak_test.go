// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

//go:build soak

package property_test

// checks is what the soak makes of it.
const checks = 500
