// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"context"
	"errors"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
)

// Fleet is all Devices. It implements acs.Handler. Safe for concurrent use.
type Fleet struct {
	opts Options
}

var _ acs.Handler = (*Fleet)(nil)

// New returns an empty Fleet.
func New(o Options) (*Fleet, error) { return &Fleet{opts: o}, nil }

// Run wakes CPE for whom RPCs wait, until ctx ends. Then it fails what has not
// been sent with ErrNotSent, and returns when no goroutine of it is alive.
func (f *Fleet) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Open implements acs.Handler.
func (f *Fleet) Open(_ context.Context, _ *cwmp.Inform, _ acs.Info) (acs.Session, error) {
	return nil, errors.New("device: fleet not running")
}

// Device returns the Device of that identity (Manufacturer does not matter), or
// nil if it has never been seen.
func (f *Fleet) Device(_ cwmp.DeviceID) *Device { return nil }

// Devices returns a snapshot of all Devices, sorted by identity.
func (f *Fleet) Devices() []Status { return nil }
