// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mtp

import "sync"

// Ending is why a Link ends, and lets go of its reader then, who may wait in
// Port.Accept for room. The zero value is a Link that does not end yet. Safe for
// concurrent use.
type Ending struct {
	mu    sync.Mutex
	cause error
	port  Port
}

// Because notes why the Link ends, unless that is known already, and has the
// router not keep its reader any more.
func (e *Ending) Because(cause error) {
	e.mu.Lock()
	if e.cause == nil {
		e.cause = cause
	}
	port := e.port
	e.mu.Unlock()
	Release(port)
}

// Linked tells the Port of the Link. Its reader is let go of at once if the Link
// ends already.
func (e *Ending) Linked(port Port) {
	e.mu.Lock()
	e.port = port
	over := e.cause != nil
	e.mu.Unlock()
	if over {
		Release(port)
	}
}

// Cause is why the Link ends, nil if it does not.
func (e *Ending) Cause() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.cause
}
