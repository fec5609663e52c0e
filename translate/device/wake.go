// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp/connreq"
)

// wake is the goroutine that calls one CPE for as long as RPCs wait for it and
// it has no session.
type wake struct {
	cancel context.CancelFunc
}

// wakeIfNeeded starts or ends the waking; d.mu is held. To be called whenever
// the queue becomes empty or not, or a session begins or ends.
func (d *Device) wakeIfNeeded() {
	f := d.fleet
	if len(d.queue) == 0 || d.sess != nil {
		if d.wake != nil {
			d.wake.cancel()
			d.wake = nil
		}
		return
	}
	if d.wake != nil || f.opts.Waker == nil || d.known.ConnectionRequestURL == "" {
		return
	}
	ctx, cancel := context.WithCancel(f.base)
	w := &wake{cancel: cancel}
	if !f.spawn(func() {
		defer cancel()
		d.keepWaking(ctx, w)
	}) {
		cancel()
		return
	}
	d.wake = w
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

// keepWaking calls the CPE until ctx ends. Pauses survive it in the Device, so
// that callers who come and go cannot hammer a CPE.
func (d *Device) keepWaking(ctx context.Context, w *wake) {
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.wake == w {
			d.wake = nil
		}
	}()
	elsewhere := false
	for d.pause(ctx) {
		select {
		case d.fleet.wakes <- struct{}{}:
		case <-ctx.Done():
			return
		}
		t, logins := d.target(elsewhere)
		err := d.fleet.opts.Waker.Wake(ctx, t)
		<-d.fleet.wakes
		if ctx.Err() != nil {
			return
		}
		d.woken(err, logins)
		if err != nil {
			d.fleet.log.Debug("wake failed", zap.Stringer("device", d.id), zap.Error(err))
		}
		elsewhere = !elsewhere && (errors.Is(err, connreq.ErrUnreachable) || errors.Is(err, connreq.ErrForbidden))
	}
}

// pause waits until the CPE may be called; false if ctx ended.
func (d *Device) pause(ctx context.Context) bool {
	d.mu.Lock()
	left := time.Until(d.wakeAt)
	d.mu.Unlock()
	if left <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(left)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// woken notes the outcome of a wake and when to try the next.
func (d *Device) woken(err error, logins int) {
	o := &d.fleet.opts
	d.mu.Lock()
	defer d.mu.Unlock()
	wait := o.WakeWait // a CPE that has said yes may take its time
	if err != nil {
		d.wakePause = min(max(2*d.wakePause, o.WakeBackoff), o.WakeWait)
		wait = d.wakePause
	}
	if errors.Is(err, connreq.ErrCredentials) && logins > 1 {
		if d.login = (d.login + 1) % logins; d.login != 0 {
			wait = 0 // another login may do; after all of them, the pause
		}
	}
	d.wakeAt = time.Now().Add(wait)
}

// target is where to call the CPE, and how many logins there are to try.
// elsewhere means the address of the last session instead of the announced one,
// which is often private or old [quirk 80].
func (d *Device) target(elsewhere bool) (t connreq.Target, logins int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := d.logins()
	d.login %= len(all)
	t = connreq.Target{
		URL:      d.known.ConnectionRequestURL,
		Username: all[d.login].Username,
		Password: all[d.login].Password,
		Source:   d.known.Source,
	}
	if elsewhere {
		t.URL = atSource(t.URL, d.known.Source)
	}
	return t, len(all)
}

// atSource returns raw with source as host.
func atSource(raw string, source netip.Addr) string {
	u, err := url.Parse(raw)
	if err != nil || !source.IsValid() {
		return raw
	}
	switch port := u.Port(); {
	case port != "":
		u.Host = net.JoinHostPort(source.String(), port)
	case source.Is6():
		u.Host = "[" + source.String() + "]"
	default:
		u.Host = source.String()
	}
	return u.String()
}
