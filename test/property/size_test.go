// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

//go:build !soak

package property_test

const (
	checks  = 60  // sequences of each test
	changes = 300 // on the CPE of the Subscriptions
)
