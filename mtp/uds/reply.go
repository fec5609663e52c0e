// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package uds

import (
	"errors"

	"github.com/uspgate/uspgate/mtp"
)

// reply is what the peer of a Link is told by an Error field, which obliges it
// to close [R-UDS.25].
type reply struct {
	err  error
	text string
	// ack: also when it is the outcome of a Record, not only of the Link.
	// Other outcomes are not told: this MTP has no acknowledgement, and an
	// Error Message is the business of the Endpoint that is addressed
	// [R-UDS.24, R-MTP.5].
	ack bool
}

// replies is the table; the first row that matches counts, and what matches
// none is ErrBusy.
//
//nolint:gochecknoglobals // a constant table
var replies = []reply{
	{errEndpoint, "the Handshake does not name an Endpoint", false},                 // [R-UDS.21]
	{errOtherEndpoint, "the Handshake names another Endpoint than expected", false}, // [R-UDS.21]
	{errNoHandshake, "no Handshake came in time", false},                            // [R-UDS.18]
	{mtp.ErrMalformed, "not a USP frame or not a USP Record", true},                 // [R-UDS.23]
	{mtp.ErrForbidden, "not allowed for this Endpoint", true},                       // [R-SEC.4c]
	{mtp.ErrTooLarge, "the frame or the Record is too large", false},                // [R-UDS.23]
	{mtp.ErrUnroutable, "no such Endpoint", false},                                  // [R-UDS.21]
	{mtp.ErrReplaced, "replaced by a newer connection of the same Endpoint", false}, // [R-UDS.25]
	{mtp.ErrDraining, "", false},                                                    // an end is no error
	{errPanic, "internal error", false},                                             // [R-UDS.25]
	{mtp.ErrBusy, "try again later", false},                                         // [R-UDS.25]
}

// replyTo returns the row for the cause of a close; for nil it says nothing.
func replyTo(cause error) reply {
	if cause == nil {
		return reply{}
	}
	for _, r := range replies {
		if errors.Is(cause, r.err) {
			return r
		}
	}
	return replies[len(replies)-1]
}
