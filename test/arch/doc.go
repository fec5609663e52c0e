// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package arch holds the tests of the house itself: floors, fences of
// libraries, file sizes and names of requirements.
package arch
