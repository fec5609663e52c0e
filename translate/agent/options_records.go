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
	// Verify checks a signed Record before anything else is done with it [R-E2E.30], and
	// refuses one that is not signed, which it is shown if that has to be by Signed. It is
	// called by several goroutines. nil: signatures are not looked at.
	Verify func(usp.Record) error
	Signed Signed
	// Protected reports whether a Controller has been reached over protected Links only;
	// nil: as the Host was told by Meet. Another Host's Protected will do.
	Protected func(usp.EndpointID) bool
}

// Signed says of which Records a signature is wanted.
type Signed uint8

// The values of Signed.
const (
	// SignedNever takes Records that are not signed.
	SignedNever Signed = iota
	// SignedUnprotected does not, of Controllers that have been reached over a Link which
	// is not protected (Host.Meet), or of which nothing is known [R-E2E.28].
	SignedUnprotected
	// SignedAlways takes none.
	SignedAlways
)
