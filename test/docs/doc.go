// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package docs holds the tests of the documentation: every YAML block is a
// configuration that loads, every console block is executed and prints what it
// says, every link and every name of code leads somewhere.
package docs
