// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"context"
	"fmt"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/connreq"
)

// Summon is Device.Summon, and takes no Device into memory for it: ErrUnknownDevice is
// returned for one that has never been seen.
func (f *Fleet) Summon(ctx context.Context, id cwmp.DeviceID) (connreq.Report, error) {
	key := id.Key()
	if d := f.Device(key); d != nil {
		return d.Summon(ctx)
	}
	if f.opts.Keeper == nil {
		return connreq.Report{}, ErrUnknownDevice
	}
	known, found, err := f.opts.Keeper.Load(key)
	switch {
	case err != nil:
		return connreq.Report{}, fmt.Errorf("device: %s: %w", key, err)
	case !found:
		return connreq.Report{}, ErrUnknownDevice
	case f.opts.Waker == nil:
		return connreq.Report{}, connreq.ErrNoWay
	}
	d := &Device{fleet: f, id: key, known: known} // for what is to be said of it, and no more
	return f.opts.Waker.Wake(ctx, d.cpe())        //nolint:wrapcheck // the Waker's own
}

// Summon has the CPE woken, whether anything waits for it or not, and returns how that
// went once its session has come, ctx ends, or there is nothing left to try. A CPE that
// is in a session is not disturbed: the report is empty then. Errors are those of the
// Waker; without one, connreq.ErrNoWay.
func (d *Device) Summon(ctx context.Context) (connreq.Report, error) {
	d.mu.Lock()
	here := d.sess != nil
	d.mu.Unlock()
	w := d.fleet.opts.Waker
	switch {
	case here:
		return connreq.Report{}, nil
	case w == nil:
		return connreq.Report{}, connreq.ErrNoWay
	}
	r, err := w.Wake(ctx, d.cpe())
	if err == nil {
		d.woken(r.Method)
	}
	return r, err //nolint:wrapcheck // the Waker's own
}
