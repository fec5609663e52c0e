// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"errors"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/uspgate/uspgate/mtp"
)

// answer is what the sender of a PUBLISH with a Record gets, by the outcome.
type answer struct {
	cause  error
	reason byte // of a PUBACK or PUBREC in MQTT 5
	// close ends a 3.1.1 connection, whose PUBACK cannot say no: what was not
	// acknowledged is sent again after the next CONNECT. Everything else is
	// acknowledged there, for it would come again and again.
	close bool
}

// answers is in the order in which they are tried; the last one is for every
// other failure.
var answers = []answer{
	{nil, packets.CodeSuccess.Code, false},
	// An undecodable Record is dropped [R-MTP.5]; MQTT 5 tells the sender.
	{mtp.ErrMalformed, packets.ErrPayloadFormatInvalid.Code, false},
	// [R-SEC.4c, R-MQTT.40]: the topic access control of Records.
	{mtp.ErrForbidden, packets.ErrNotAuthorized.Code, false},
	// Nobody is there, as for a topic without subscribers [MQTT-3.4.2.1].
	{mtp.ErrUnroutable, packets.CodeNoMatchingSubscribers.Code, false},
	{mtp.ErrTooLarge, packets.ErrImplementationSpecificError.Code, false},
	{errNotRetained, packets.ErrQuotaExceeded.Code, false},
	{mtp.ErrBusy, packets.ErrQuotaExceeded.Code, true},
}

func answerTo(err error) answer {
	for _, a := range answers {
		if errors.Is(err, a.cause) || a.cause == nil && err == nil {
			return a
		}
	}
	return answers[len(answers)-1]
}

// outcomeOf is what the reason of a PUBACK means for the router: the inverse of
// answerTo. A peer that refuses for reasons of its own will refuse again.
func outcomeOf(reason byte) error {
	for _, a := range answers {
		if a.reason == reason && a.cause != errNotRetained { //nolint:errorlint // the row itself
			return a.cause
		}
	}
	switch {
	case reason < failure:
		return nil
	case reason == packets.ErrTopicNameInvalid.Code:
		return mtp.ErrUnroutable
	case reason == packets.ErrPacketIdentifierInUse.Code:
		return mtp.ErrBusy
	default:
		return mtp.ErrForbidden
	}
}

// closeCode is the reason of the DISCONNECT that Close sends in MQTT 5.
func closeCode(cause error) packets.Code {
	switch {
	case errors.Is(cause, mtp.ErrReplaced):
		return packets.ErrSessionTakenOver
	case errors.Is(cause, mtp.ErrDraining):
		return packets.ErrServerShuttingDown
	case errors.Is(cause, mtp.ErrForbidden):
		return packets.ErrNotAuthorized
	case errors.Is(cause, mtp.ErrBusy):
		return packets.ErrServerBusy
	default:
		return packets.ErrUnspecifiedError
	}
}

// returnCode is the CONNACK return code of MQTT 3.1.1 for a reason code of
// MQTT 5 [MQTT-3.2.2.3 of 3.1.1].
func returnCode(reason byte) byte {
	switch reason {
	case packets.ErrUnsupportedProtocolVersion.Code:
		return 1
	case packets.ErrClientIdentifierNotValid.Code:
		return 2
	case packets.ErrServerBusy.Code, packets.ErrServerUnavailable.Code, packets.ErrServerShuttingDown.Code:
		return 3
	default:
		return 5 // not authorized
	}
}
