// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"context"
	"errors"
	"slices"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing/buffer"
)

// ask claims the address.
func (o *owned) ask() bool {
	e, r := o.e, o.e.r
	if !r.steering.claimRoom(o, r.o.MaxClaims) {
		return false // scheduled again when there is
	}
	o.mu.Lock()
	want := o.want
	o.want, o.claimed = false, nil
	o.claim++
	claim := o.claim
	o.mu.Unlock()
	o.set(ownClaiming, 0)
	e.eachLane(func(l *lane) { l.setWay(nil, 0) })
	by := e.session()
	if by != nil {
		by.Standby = !want
	} else if want {
		want = false // the Link has gone
	}
	r.o.Peers.Claim(e.addr, by, func(own Ownership, err error) {
		r.steering.claimOver()
		o.mu.Lock()
		if o.claim == claim && o.state == ownClaiming {
			o.claimed = &claimEnd{own, err}
			if err != nil && !errors.Is(err, ErrKept) && !errors.Is(err, mtp.ErrForbidden) {
				o.want = o.want || want
			}
		}
		o.mu.Unlock()
		o.schedule()
	})
	return true
}

// claimEnded takes what the claim has brought.
func (o *owned) claimEnded() bool {
	o.mu.Lock()
	c := o.claimed
	o.claimed = nil
	o.mu.Unlock()
	switch {
	case c == nil:
		return false
	case c.err == nil && c.own.Fence != 0:
		o.remote.Store(nil)
		if !o.set(ownAcquiring, c.own.Fence) {
			o.set(ownNone, 0) // another node knew before this one did: by the next fence, then
			return true
		}
		o.mu.Lock()
		o.restored, o.pause, o.rest = false, 0, 0
		o.mu.Unlock()
		o.e.eachLane(func(l *lane) { l.expect(c.own.Fence) })
		return true
	case errors.Is(c.err, mtp.ErrForbidden), errors.Is(c.err, mtp.ErrBusy) && o.e.lanes.Load() > 0:
		o.e.closeLinks(c.err)
	}
	o.set(ownNone, 0)
	o.backOff()
	return true
}

// backOff has the next claim wait.
func (o *owned) backOff() {
	o.mu.Lock()
	o.pause = min(max(2*o.pause, pauseMin), pauseMax)
	o.rest = o.e.r.now() + o.pause
	o.mu.Unlock()
}

// acquire makes the Queue's lanes ours, and then uses them.
func (o *owned) acquire() bool {
	e, r := o.e, o.e.r
	o.mu.Lock()
	fence, rest := o.fence, o.rest
	asked := len(o.disowns) > 0
	o.mu.Unlock()
	if asked || o.overtaken(fence) {
		return o.letGo()
	}
	var lanes []buffer.Lane
	if q, ok := r.o.Buffer.(buffer.Owned); !ok {
		lanes = slices.DeleteFunc(r.o.Buffer.Lanes(), func(l buffer.Lane) bool { return l.To != e.addr })
	} else {
		if rest > r.now() {
			o.at(rest)
			return false
		}
		ctx, cancel := context.WithTimeout(r.ctx, r.o.ClaimWait)
		var err error
		lanes, err = q.Acquire(ctx, e.addr)
		cancel()
		if err != nil {
			r.noteBuffer("acquire", err)
			o.backOff()
			return r.ctx.Err() == nil
		}
		// If the lease ran out meanwhile, the next owner may have acquired the lanes
		// before: what was put now it would not see.
		if o.overtaken(fence) {
			o.release()
			return o.letGo()
		}
	}
	for _, b := range lanes {
		e.known.Store(true)
		if b.From != "" {
			var fx effects
			e.main.mu.Lock()
			e.laneFor(b.From)
			e.main.unlock(&fx)
		}
	}
	o.mu.Lock()
	o.want, o.pause, o.rest = false, 0, 0
	o.mu.Unlock()
	o.set(ownMine, fence)
	e.eachLane((*lane).rise)
	o.retell()
	return true
}

// overtaken reports that the address is not this node's by that fence any more.
func (o *owned) overtaken(fence uint64) bool {
	own := o.e.r.o.Peers.Owner(o.e.addr)
	return own.Fence > fence || own.Node == o.e.r.node && !own.Alive
}

// letGo goes back to where the address is not this node's.
func (o *owned) letGo() bool {
	o.set(ownNone, 0)
	o.e.eachLane(func(l *lane) { l.giveWay(false) })
	return true
}
