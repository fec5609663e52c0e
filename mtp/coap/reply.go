// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"errors"

	"github.com/plgd-dev/go-coap/v3/message/codes"

	"github.com/uspgate/uspgate/mtp"
)

// busyMaxAge is the Max-Age of a 5.03: after how many seconds the peer may try
// again [RFC 7252 5.9.3.4].
const busyMaxAge = 30

// reply is the response code for the outcome of a Record, and the outcome that
// the code means when a peer answers with it.
type reply struct {
	cause error
	code  codes.Code
}

// replies is the table; the first row that matches counts, and what matches
// none is ErrBusy.
//
//nolint:gochecknoglobals // a constant table
var replies = []reply{
	{mtp.ErrMalformed, codes.BadRequest},           // 4.00 [R-COAP.13]
	{mtp.ErrForbidden, codes.Forbidden},            // 4.03 [R-SEC.4c]
	{mtp.ErrUnroutable, codes.NotFound},            // 4.04 [RFC 7252 5.9.2.5]
	{mtp.ErrTooLarge, codes.RequestEntityTooLarge}, // 4.13 [RFC 7959 2.9.3]
	{mtp.ErrBusy, codes.ServiceUnavailable},        // 5.03 [RFC 7252 5.9.3.4]
}

// Refusals of a request before there is a Record to have an outcome.
const (
	refuseMethod  = codes.MethodNotAllowed     // 4.05 [R-COAP.11]
	refuseFormat  = codes.UnsupportedMediaType // 4.15 [R-COAP.12]
	refuseReplyTo = codes.BadRequest           // 4.00 [R-COAP.2]
	refusePath    = codes.NotFound             // 4.04 [R-COAP.1]
	refuseOption  = codes.BadOption            // 4.02 [RFC 7252 5.4.1]
	refuseProxy   = codes.ProxyingNotSupported // 5.05 [RFC 7252 5.9.3.6]
)

// codeOf is the response to a Record with this outcome; nil is 2.04
// [R-COAP.7].
func codeOf(err error) codes.Code {
	if err == nil {
		return codes.Changed
	}
	for _, r := range replies {
		if errors.Is(err, r.cause) {
			return r.code
		}
	}
	return codes.ServiceUnavailable
}

// outcomeOf is what a response code means for the router [R-COAP.10]. What a
// peer refuses for reasons of its own it will refuse again; any 5.xx may pass.
func outcomeOf(code codes.Code) error {
	for _, r := range replies {
		if r.code == code {
			return r.cause
		}
	}
	switch {
	case code>>5 == 2:
		return nil
	case code == codes.MethodNotAllowed, code == codes.UnsupportedMediaType:
		return mtp.ErrUnroutable // that is no resource of a USP Endpoint
	case code>>5 != 4, code == codes.RequestEntityIncomplete, code == codes.TooManyRequests:
		return mtp.ErrBusy
	default:
		return mtp.ErrForbidden
	}
}
