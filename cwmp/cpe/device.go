// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import (
	"context"
	"time"

	"github.com/uspgate/uspgate/cwmp"
)

// Device is what a Client manages. Its methods are called by the goroutine of
// Client.Run, one at a time; they may call the Client's methods, except Run.
type Device interface {
	// Settings gives what the next session needs to know. It is asked before
	// every session and every wait, so a change counts from the next session
	// on, as [TR-069 A.3.2.1] wants it for ManagementServer parameters.
	Settings() Settings
	// Inform gives identity and ParameterList of the Inform that carries
	// events. Its result is kept for the length of the session only.
	Inform(events []cwmp.Event) (cwmp.DeviceID, []cwmp.ParameterValue)
	// Informed tells that the ACS has answered in: what it reported has been
	// delivered and need not be reported again.
	Informed(in *cwmp.Inform)
	// Handle answers one RPC of the ACS, with the method's response or a
	// *cwmp.Fault. An error breaks the connection off without an answer, as a
	// CPE does that loses power.
	Handle(ctx context.Context, req cwmp.Request) (cwmp.Response, error)
	// SessionEnded is called after every session, failed ones included.
	SessionEnded(s Session)
}

// Settings is the part of ManagementServer that the CWMP session depends on.
type Settings struct {
	// URL of the ACS. If it differs from that of the last session, the Client
	// reports 0 BOOTSTRAP to the new one [TR-069 3.7.1.5].
	URL string
	// Username and Password answer a 401 of the ACS.
	Username string
	Password string
	// Namespace of the envelopes; empty is cwmp.Namespace12.
	Namespace string
	// PeriodicInterval between 2 PERIODIC Informs; 0 is none. PeriodicTime is
	// their phase; the zero time counts from the start of Run.
	PeriodicInterval time.Duration
	PeriodicTime     time.Time
	// Retry is the session retry policy.
	Retry Retry
}

// Session reports one session that is over.
type Session struct {
	// Events of the Inform.
	Events []cwmp.Event
	// RetryCount of the Inform.
	RetryCount uint32
	// Informed is true if the ACS answered the Inform, so that the events
	// were delivered.
	Informed bool
	// Methods of the ACS's requests, in order; the first MaxRPCs of them.
	Methods []string
	// Err is nil after a regular end, otherwise why the session failed.
	Err error
}
