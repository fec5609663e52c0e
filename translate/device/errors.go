// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device

import "errors"

// Failures of Device.Call. A *cwmp.Fault from the CPE is returned as error
// too.
var (
	// ErrNotSent: the deadline passed, or the wait was cancelled, before the
	// RPC left. It was withdrawn and never will be sent.
	ErrNotSent = errors.New("device: not sent")
	// ErrOutcomeUnknown: the session broke while the RPC was on the wire. A
	// write may have been applied.
	ErrOutcomeUnknown = errors.New("device: outcome unknown")
	// ErrBusy: the device's queue is full.
	ErrBusy = errors.New("device: queue full")
)
