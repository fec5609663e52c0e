// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp/connreq"
)

// crowded is the pause where too many CPE are being woken.
const crowded = time.Second

// wake is the goroutine that has one CPE woken for as long as RPCs wait for it and
// it has no session.
type wake struct {
	cancel context.CancelFunc
}

// wakeIfNeeded begins or ends the waking; d.mu is held. To be called whenever the
// queue becomes empty or not, or a session ends. The begin of one is told to the
// Waker.
func (d *Device) wakeIfNeeded() {
	f := d.fleet
	if len(d.queue) == 0 && d.wake != nil {
		d.wake.cancel()
	}
	if len(d.queue) == 0 || d.sess != nil || d.wake != nil || f.opts.Waker == nil {
		return
	}
	ctx, cancel := context.WithCancel(f.base)
	if !f.spawn(func() {
		defer cancel()
		d.keepWaking(ctx)
	}) {
		cancel()
		return
	}
	d.wake = &wake{cancel: cancel}
}

// spawn runs fn in a goroutine for which Run waits; false once the Fleet is
// closed.
func (f *Fleet) spawn(fn func()) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return false
	}
	f.wakers.Go(fn)
	return true
}

// keepWaking has the CPE woken until a session has come, or ctx ends.
func (d *Device) keepWaking(ctx context.Context) {
	err := connreq.ErrNoSession
	for errors.Is(err, connreq.ErrNoSession) || errors.Is(err, connreq.ErrTooMany) {
		if errors.Is(err, connreq.ErrTooMany) {
			pause(ctx, crowded)
		}
		var r connreq.Report
		if r, err = d.fleet.opts.Waker.Wake(ctx, d.cpe()); err == nil {
			d.woken(r.Method)
		} else {
			d.fleet.log.Debug("not woken", zap.Stringer("device", d.id), zap.Error(err))
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wake = nil
	if !errors.Is(err, connreq.ErrNoWay) && !errors.Is(err, connreq.ErrClosed) {
		d.wakeIfNeeded() //nolint:contextcheck // for who has come since, after ctx
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// woken keeps what has worked.
func (d *Device) woken(by connreq.Method) {
	d.told.Lock() // one save after the other
	defer d.told.Unlock()
	d.mu.Lock()
	changed := by != "" && by != d.known.WokenBy
	if changed {
		d.known.WokenBy, d.unsaved = by, true
	}
	d.mu.Unlock()
	if !changed {
		return
	}
	if err := d.save(); err != nil { // the next Inform tries again
		d.fleet.log.Error("not kept", zap.Error(err))
	}
}

// cpe is what is known for a wake.
func (d *Device) cpe() connreq.CPE {
	imported := d.fleet.imported(d.id)
	d.mu.Lock()
	defer d.mu.Unlock()
	return connreq.CPE{
		Key: d.id.String(), URL: d.known.ConnectionRequestURL, UDPAddress: d.known.UDPAddress,
		STUNUsername: d.known.STUNUsername, JID: d.known.JID, Methods: d.ways(), Logins: d.logins(imported),
		Source: d.known.Source, Last: d.known.WokenBy,
	}
}
