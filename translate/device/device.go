// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"context"
	"net/netip"
	"time"

	"github.com/uspgate/uspgate/cwmp"
)

// Device is one CPE as the gateway sees it: asleep most of the time, with a
// queue of RPCs that wait for its next session. Safe for concurrent use.
type Device struct {
	id cwmp.DeviceID
}

// Status is a snapshot of a Device.
type Status struct {
	Identity cwmp.DeviceID
	// LastInform is when the last Inform came, by the gateway's clock.
	LastInform time.Time
	Events     []string // of the last Inform
	Remote     netip.AddrPort
	InSession  bool
	OnWire     string // method of the RPC that has no response yet
	Queue      int    // RPCs that wait
	Waking     bool
	// ConnectionRequestURL and ParameterKey as last reported by the CPE.
	ConnectionRequestURL string
	ParameterKey         string
}

// Identity returns the DeviceID of the first Inform.
func (d *Device) Identity() cwmp.DeviceID { return d.id }

// Call has the CPE execute req and waits for the outcome: the response, or an
// error that is a *cwmp.Fault (the CPE refused; also, with code 9002, where the
// CPE answered with the response of another method) or wraps one of
//
//   - ErrNotSent: ctx ended, or the Fleet, before req left. It never will be
//     sent.
//   - ErrOutcomeUnknown: the session broke while req was on the wire.
//   - ErrBusy: the queue is full.
//
// RPCs are executed one at a time, in the order of the calls. If the CPE has no
// session it is woken, once for all who wait. When ctx ends while req is on the
// wire, a read (Get…) returns ErrNotSent at once; a write waits for its outcome,
// bounded by the session. A read is repeated in the next session when the
// session breaks; a Reboot or FactoryReset counts as accepted [quirk 73].
func (d *Device) Call(ctx context.Context, _ cwmp.Request) (cwmp.Response, error) {
	<-ctx.Done()
	return nil, ErrNotSent
}

// Hold keeps an open session from ending between two Calls, for at most
// Options.HoldTime after each RPC, until release is called. It does not wake the
// CPE. Release may be called more than once.
func (d *Device) Hold() (release func()) { return func() {} }

// Status returns a snapshot.
func (d *Device) Status() Status { return Status{Identity: d.id} }

// OnWire returns a context that makes Call run f immediately before the request
// leaves; the request is sent only if f returns nil, otherwise Call fails with
// ErrNotSent and f's error. It is how a journal learns that an outcome may
// become unknown before it can. f runs in the session and delays it.
func OnWire(ctx context.Context, f func() error) context.Context {
	return context.WithValue(ctx, onWireKey{}, f)
}

type onWireKey struct{}
