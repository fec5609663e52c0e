// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package storm_test has thousands of CPE come at once, to a gateway as a process of its
// own that was killed a moment ago. The tests of the tag soak take some minutes.
package storm_test
