// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/usp"
)

// The answers of an owner that is asked to give an address up.
const (
	disownGiven     = iota // with the revision of the key
	disownKept             // ErrKept
	disownForbidden        // mtp.ErrForbidden
	disownBusy             // mtp.ErrBusy, and everything else
	disownMoved            // not its, or not by that fence
)

const (
	sessionProven = 1 << iota
	sessionShared
	sessionStandby
)

// askFor asks the owner to give a up; the answer has the claim go on.
func (o *Owners) askFor(a usp.Address, e *owned, x *op) bool {
	x.ask = askState{fence: e.fence, err: routing.ErrKept}
	waits := &asking{by: e.by}
	o.writes.wait(a, waits)
	request := appendDisown(nil, a, e.fence, x.by)
	err := o.n.o.Bus.Send(address(e.by.node, e.by.epoch), serviceDisown, request, o.n.o.AskTimeout,
		func(reply []byte, err error) { o.asked(a, x, waits, reply, err) })
	if err != nil {
		if !o.writes.answered(a, waits) {
			return false // it has died meanwhile
		}
		return o.claimed(x, fmt.Errorf("%w: %w", mtp.ErrBusy, err))
	}
	if e.by.dead.Load() { // too late for abandon to see it
		o.writes.abandon(func(h *holder) bool { return h == e.by })
	}
	return false
}

// asking is an owner that has been asked and has not answered.
type asking struct{ by *holder }

func (w *writes) wait(a usp.Address, x *asking) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asks[a] = x
}

// answered is false if nobody waits for the answer any more.
func (w *writes) answered(a usp.Address, x *asking) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.asks[a] != x {
		return false
	}
	delete(w.asks, a)
	return true
}

// abandon has those claims go on that wait for the answer of somebody dead.
func (w *writes) abandon(dead func(*holder) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for a, x := range w.asks {
		if dead(x.by) {
			delete(w.asks, a)
			w.turn(a)
		}
	}
}

// asked takes the answer and puts the claim in line again.
func (o *Owners) asked(a usp.Address, x *op, waits *asking, reply []byte, err error) {
	if !o.writes.answered(a, waits) {
		return
	}
	if err == nil {
		waits.by.missing.Store(0)
	}
	if err != nil {
		x.ask.err = fmt.Errorf("%w: %w", mtp.ErrBusy, err)
		if o.mayPass(waits.by, x.by, err) {
			e, _ := o.get(a)
			x.ask.err, x.ask.revision = nil, e.revision
		}
	} else {
		d := reader{b: reply}
		status, revision := d.byte(), d.uvarint()
		switch {
		case d.bad:
			x.ask.err = fmt.Errorf("%w: an answer that does not parse", mtp.ErrBusy)
		case status == disownGiven:
			x.ask.err, x.ask.revision = nil, revision
		case status == disownKept:
			x.ask.err = routing.ErrKept
		case status == disownForbidden:
			x.ask.err = mtp.ErrForbidden
		case status == disownMoved: // the Store knows by now
			x.ask.err, x.ask.revision = nil, ^uint64(0)
		default:
			x.ask.err = mtp.ErrBusy
		}
	}
	w := &o.writes
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pending[a] != nil {
		w.turn(a)
	}
}

// mayPass reports that an owner is passed over which the lease still says is alive:
// for a while nobody has been there on the Bus, and the Endpoint itself, who has
// proved to be it, has come here. If the owner lives after all it is cut off from
// the cluster: it has no way to store anything, and hears of it with the first
// word from there.
func (o *Owners) mayPass(owner *holder, by *routing.Session, err error) bool {
	if !errors.Is(err, ErrNoNode) {
		return false
	}
	now := max(1, o.n.now())
	owner.missing.CompareAndSwap(0, now)
	return by.Proven && !by.Shared && !by.Standby && now-owner.missing.Load() >= int64(o.n.o.renewEvery())
}

func appendDisown(b []byte, a usp.Address, fence uint64, by *routing.Session) []byte {
	b = append(b, byte(a.Role))
	b = appendString(b, a.ID)
	b = binary.AppendUvarint(b, fence)
	b = appendString(b, by.Kind)
	b = binary.AppendVarint(b, int64(by.Order))
	var flags byte
	if by.Proven {
		flags |= sessionProven
	}
	if by.Shared {
		flags |= sessionShared
	}
	if by.Standby {
		flags |= sessionStandby
	}
	b = append(b, flags)
	return appendString(b, by.Presents)
}

func parseDisown(b []byte) (a usp.Address, fence uint64, by routing.Session, ok bool) {
	d := reader{b: b}
	a.Role = usp.Role(d.byte())
	a.ID = usp.EndpointID(d.string())
	fence = d.uvarint()
	by.Kind = mtp.Kind(d.string())
	by.Order = int(d.varint())
	flags := d.byte()
	by.Proven, by.Shared, by.Standby = flags&sessionProven != 0, flags&sessionShared != 0, flags&sessionStandby != 0
	by.Presents = usp.EndpointID(d.string())
	return a, fence, by, !d.bad
}

// disown is the service by which other nodes ask for an address.
func (o *Owners) disown(data []byte, reply func([]byte)) {
	answer := func(status byte, revision uint64) {
		reply(binary.AppendUvarint([]byte{status}, revision))
	}
	a, fence, by, ok := parseDisown(data)
	if !ok {
		answer(disownBusy, 0)
		return
	}
	e, known := o.get(a)
	switch l := o.n.alive(); {
	case l == nil:
		answer(disownBusy, 0)
	case !known, e.by.node != o.n.o.Name, e.by.epoch != l.epoch, e.fence != fence:
		answer(disownMoved, 0)
	case e.given:
		answer(disownGiven, e.revision)
	default:
		o.n.teller.post(func(h routing.PeerHandler) {
			h.Disown(a, fence, by, func(err error) { answer(o.disowned(a, fence, err)) })
		})
	}
}

// disowned notes that the Router has given a up, or has not.
func (o *Owners) disowned(a usp.Address, fence uint64, err error) (status byte, revision uint64) {
	switch {
	case errors.Is(err, routing.ErrKept):
		return disownKept, 0
	case errors.Is(err, mtp.ErrForbidden):
		return disownForbidden, 0
	case err != nil:
		return disownBusy, 0
	}
	s := o.shard(a)
	s.mu.Lock()
	defer s.mu.Unlock()
	e, known := s.m[a]
	if !known || e.by == nil || e.fence != fence {
		return disownMoved, 0
	}
	e.given = true
	s.m[a] = e
	return disownGiven, e.revision
}
