// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp

import (
	"errors"

	"github.com/uspgate/uspgate/mtp"
)

// reply is what the sender of a SEND with a Record gets, by the outcome.
type reply struct {
	cause error
	// receipt is written if the SEND has asked for one. Without, the
	// connection is closed and the Record sent again after the next: an
	// ERROR would cost the peer the same wait, and tell it that the frame was
	// at fault. A SEND that has not asked for a receipt is told nothing.
	receipt bool
}

// replies is the table; the first row that matches counts, and what matches
// none is ErrBusy.
//
//nolint:gochecknoglobals // a constant table
var replies = []reply{
	// Dropped in silence [R-MTP.5], and processed thereby. An ERROR would end
	// the connection, and with it the traffic of everybody behind it [R-STOMP.7].
	{mtp.ErrMalformed, true},
	{mtp.ErrForbidden, true},  // [R-SEC.4c]
	{mtp.ErrUnroutable, true}, // as a message to a destination that nobody has
	{mtp.ErrTooLarge, true},   // for the other side; coming again would not help
	{mtp.ErrBusy, false},
}

func replyTo(err error) reply {
	if err == nil {
		return reply{receipt: true}
	}
	for _, r := range replies {
		if errors.Is(err, r.cause) {
			return r
		}
	}
	return replies[len(replies)-1]
}
