// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

//go:build !soak

package property_test

// changes is how many each CPE of TestAnyChangesAreTold has.
const changes = 300
