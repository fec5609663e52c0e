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
// that is a *cwmp.Fault is answered as one, a *RedirectError as one; any other means
// 503.
type Handler interface {
	Open(ctx context.Context, inform *cwmp.Inform, info Info) (Session, error)
}

// RedirectError is an error with which Open sends the CPE to another ACS for this session
// [TR-069 3.4.3]: it repeats the Inform there.
type RedirectError struct{ URL string }

// Error implements error.
func (r *RedirectError) Error() string { return "acs: redirected to " + r.URL }

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

// Holder is implemented by a Session that wants its turn before that of the CPE
// [TR-069 3.7.1.4]. HoldRequests is asked before each envelope that is sent to the
// CPE, the InformResponse being the first, and while it returns true the CPE sends
// no requests. When Next has returned io.EOF the CPE gets its turn, whatever
// HoldRequests would say: its requests come to Request, then the session is over.
type Holder interface{ HoldRequests() bool }

// Info is what the transport knows of a session.
type Info struct {
	// Remote is where the CPE is, behind whatever proxies are trusted; without a
	// port where one of them does not say it.
	Remote         netip.AddrPort
	Username       string // as authenticated; empty without authentication
	Method         string // as Login.Method
	Certificate    string // SHA-256 of the client's, in hex; empty: none
	Namespace      string // cwmp namespace of the Inform
	SessionTimeout time.Duration
	// InformLoop: the CPE informs again and again. Next will not be called
	// [quirk 41].
	InformLoop bool
	// Conflict: two boxes have the DeviceID, this one and another. To take them
	// for one would mix them up: Open should refuse [quirk 27].
	Conflict *Conflict
}
