// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

//go:build !soak

package property_test

// checks is how many sequences each property is tried with on each model.
const checks = 24
