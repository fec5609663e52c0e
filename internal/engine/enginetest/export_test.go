// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package enginetest

// HoldPorts is holdPorts.
var HoldPorts = holdPorts
