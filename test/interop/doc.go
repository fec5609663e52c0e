// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package interop runs uspgate against programs of other makers, with the build
// tag interop: scripts/interop.sh installs them and runs it.
package interop
