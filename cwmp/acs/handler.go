// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"context"
	"net/netip"
	"time"

	"github.com/uspgate/uspgate/cwmp"
)

// Handler decides what a CWMP session is about. Open is called once for each
// session, with the Inform of a CPE that has been authenticated; ctx ends with
// the session. The Server answers the InformResponse after Open has returned
// nil, so what Open has not kept by then is lost if the process dies. An error
// that is a *cwmp.Fault is answered as one; any other means 503.
type Handler interface {
	Open(ctx context.Context, inform *cwmp.Inform, info Info) (Session, error)
}

// Session is one CWMP session seen from the ACS. Its methods are called by one
// goroutine at a time.
type Session interface {
	// Request answers a method that the CPE called. A returned *cwmp.Fault as
	// Response is sent as such; an error ends the session.
	Request(ctx context.Context, req cwmp.Request) (cwmp.Response, error)
	// Next gives the response to the previous Request of the ACS (nil at
	// first) and returns the next one, or io.EOF to end the session with 204.
	// It may block for as long as the CPE can be kept waiting; ctx bounds that.
	Next(ctx context.Context, last cwmp.Response) (cwmp.Request, error)
	// Close is called exactly once when the session is over: nil after a
	// regular end, otherwise why it broke. A Request that Next returned and
	// that has had no response is then of unknown outcome.
	Close(cause error)
}

// Info is what the transport knows of a session.
type Info struct {
	Remote         netip.AddrPort
	Username       string // as authenticated; empty without authentication
	Namespace      string // cwmp namespace of the Inform
	SessionTimeout time.Duration
}
