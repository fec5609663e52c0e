// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import "github.com/uspgate/uspgate/usp"

// RecordOptions are those of Options for the Records themselves. The zero value is a
// default: Session Contexts are allowed, and signatures not looked at.
type RecordOptions struct {
	// E2ESession is that of Controllers that have none of their own.
	E2ESession E2ESession
	// MaxMessage is how many bytes a Message may have that comes in segments; 0 means
	// e2e.DefaultMaxMessage. The Session Context of one that is larger ends.
	MaxMessage int
	// SessionID returns a session_id that was not used before; nil: a random one.
	SessionID func() uint64
	// Verify checks a signed Record before anything else is done with it [R-E2E.30]; with
	// RequireSigned also one that is not signed, which it refuses. It is called by several
	// goroutines. nil: signatures are not looked at.
	Verify        func(usp.Record) error
	RequireSigned bool
}
