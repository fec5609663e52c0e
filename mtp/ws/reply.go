// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws

import (
	"errors"

	"github.com/gorilla/websocket"

	"github.com/uspgate/uspgate/mtp"
)

// CloseReplaced is the status by which a session is closed whose Endpoint has
// opened a newer one [R-WS.4]. It is from the private range, so that a peer
// can tell it from a shutdown; reconnecting at once is pointless.
const CloseReplaced = 4000

// reply is what the peer of a Link is told.
type reply struct {
	err  error
	code int
	text string
	// ack: also when it is the outcome of a Record, not only of the Link.
	// Other outcomes are not told: WebSocket has no acknowledgement, and an
	// Error Message is the business of the Endpoint that is addressed [R-MTP.5].
	ack bool
}

// replies is the table; the first row that matches counts, and what matches
// none is ErrBusy.
//
//nolint:gochecknoglobals // a constant table
var replies = []reply{
	{mtp.ErrMalformed, websocket.CloseUnsupportedData, "not a USP Record in a binary frame", true}, // [R-WS.16]
	{mtp.ErrForbidden, websocket.ClosePolicyViolation, "not allowed for this Endpoint", true},      // [R-SEC.4c]
	{mtp.ErrTooLarge, websocket.CloseMessageTooBig, "Record too large", false},                     // [RFC 6455 7.4.1]
	{mtp.ErrUnroutable, websocket.ClosePolicyViolation, "no such Endpoint", false},                 // [RFC 6455 7.4.1]
	{mtp.ErrReplaced, CloseReplaced, "replaced by a newer session", false},                         // [R-WS.4]
	{errViolation, websocket.CloseProtocolError, "violation of RFC 6455", false},                   // [RFC 6455 7.4.1]
	{mtp.ErrDraining, websocket.CloseGoingAway, "shutting down", false},                            // [R-WS.8]
	{errPanic, websocket.CloseInternalServerErr, "internal error", false},                          // [R-WS.8]
	{mtp.ErrBusy, websocket.CloseTryAgainLater, "try again later", false},                          // [R-WS.8]
}

// replyTo returns the row for the cause of a close; nil is a normal close.
func replyTo(cause error) reply {
	if cause == nil {
		return reply{code: websocket.CloseNormalClosure}
	}
	for _, r := range replies {
		if errors.Is(cause, r.err) {
			return r
		}
	}
	return replies[len(replies)-1]
}
