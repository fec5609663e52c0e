// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"context"

	"github.com/uspgate/uspgate/cwmp/connreq"
)

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
