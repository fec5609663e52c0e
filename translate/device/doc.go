// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package device is the CWMP side of every translated CPE: it opens sessions,
// queues RPCs until a session serves them, wakes sleeping CPE, and keeps the
// journal of writing requests.
package device
