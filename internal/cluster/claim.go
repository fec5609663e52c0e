// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/internal/store"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/usp"
)

var (
	errTooMany   = fmt.Errorf("%w: too many claims wait", mtp.ErrBusy)
	errKeyLength = fmt.Errorf("%w: the Endpoint ID is too long for the cluster", mtp.ErrForbidden)
	errRaced     = fmt.Errorf("%w: others claim it", mtp.ErrBusy)
	errNoRouter  = errors.New("cluster: no Router is attached")
)

// maxTries is how often a claim is tried anew after somebody else was faster.
const maxTries = 6

// raceAgain is by how much the pause between two tries grows.
const raceAgain = 2 * time.Millisecond

// Claim implements routing.Peers.
func (o *Owners) Claim(a usp.Address, by *routing.Session, done func(routing.Ownership, error)) {
	if by != nil {
		session := *by
		by = &session
	}
	err := errKeyLength
	if len(a.ID)+2 <= store.MaxKey {
		err = o.writes.add(o, a, &op{kind: opClaim, by: by, done: done})
	}
	if err != nil {
		o.n.met.claim(err)
		o.n.teller.post(func(routing.PeerHandler) { done(routing.Ownership{}, err) })
	}
}

// Release implements routing.Peers.
func (o *Owners) Release(a usp.Address, fence uint64) {
	_ = o.writes.add(o, a, &op{kind: opRelease, fence: fence})
}

// Announce implements routing.Peers.
func (o *Owners) Announce(a usp.Address, fence uint64, info routing.Info) {
	_ = o.writes.add(o, a, &op{kind: opAnnounce, fence: fence, info: info})
}

// do reports whether the op is done; if not, whoever it waits for puts the
// address in line again.
func (o *Owners) do(ctx context.Context, a usp.Address, x *op) bool {
	switch x.kind {
	case opClaim:
		return o.claim(ctx, a, x)
	case opAnnounce:
		o.announce(ctx, a, x)
	case opRelease:
		o.release(ctx, a, x.fence)
	}
	return true
}

// claim takes one step of a claim after the other, as far as it gets without
// waiting for another node.
func (o *Owners) claim(ctx context.Context, a usp.Address, x *op) bool {
	for {
		l := o.n.alive()
		if l == nil {
			return o.claimed(x, errNoLease)
		}
		e, known := o.get(a)
		revision := uint64(0)
		if known {
			revision = e.revision
			switch own := o.ownership(&e); {
			case e.by.node == o.n.o.Name || !own.Alive:
			case x.by == nil:
				return o.claimed(x, routing.ErrKept)
			case x.ask.fence != e.fence:
				return o.askFor(a, &e, x)
			case x.ask.err != nil:
				return o.claimed(x, x.ask.err)
			default:
				revision = x.ask.revision
			}
		}
		err := o.take(ctx, a, revision, &e, l, x)
		if err == nil {
			return true
		}
		if !errors.Is(err, store.ErrConflict) {
			return o.claimed(x, err)
		}
		if x.tries++; x.tries > maxTries {
			return o.claimed(x, errRaced)
		}
		x.ask = askState{}
		pause(ctx, time.Duration(x.tries-1)*raceAgain)
		if err := o.refresh(ctx, a); err != nil {
			return o.claimed(x, err)
		}
	}
}

// claimed tells that a claim has failed.
func (o *Owners) claimed(x *op, err error) bool {
	o.n.met.claim(err)
	o.n.teller.post(func(routing.PeerHandler) { x.done(routing.Ownership{}, err) })
	return true
}

// storeTimeout bounds one access to the Store.
const storeTimeout = 5 * time.Second

// take writes that this node owns a if the key has that revision. What was known
// of a under the owner before holds until this one announces something else.
func (o *Owners) take(ctx context.Context, a usp.Address, revision uint64, was *owned, l *life, x *op) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	r := &record{
		node: o.n.o.Name, epoch: l.epoch,
		info: was.info, leg: was.leg, mtp: string(was.mtp), listener: was.listener,
	}
	got, err := o.write(ctx, ownerKey(a), r.encode(), revision)
	if errors.Is(err, store.ErrUnavailable) || ctx.Err() != nil && err != nil {
		// It may have happened.
		e, getErr := o.bucket.Get(ctx, ownerKey(a))
		if getErr != nil {
			return err
		}
		is, parseErr := parseRecord(e.Value)
		if parseErr != nil || is.node != r.node || is.epoch != r.epoch || is.fence != 0 || e.Revision <= revision {
			return err
		}
		got, err = e.Revision, nil
	}
	if err != nil {
		return err
	}
	own := routing.Ownership{Node: r.node, Fence: got, Mine: true, Alive: true, Info: was.infoOf()}
	done := func(routing.PeerHandler) { x.done(own, nil) }
	told := false
	o.apply(a, got, r, func() { told = true; o.n.teller.post(done) })
	if !told { // somebody has it already
		return store.ErrConflict
	}
	o.n.met.claim(nil)
	return nil
}

func (o *Owners) write(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if revision == 0 {
		return o.bucket.Create(ctx, key, value, 0) //nolint:wrapcheck // claim does
	}
	return o.bucket.Update(ctx, key, value, revision, 0) //nolint:wrapcheck // claim does
}

// refresh takes from the Store what the watch has not told yet.
func (o *Owners) refresh(ctx context.Context, a usp.Address) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	e, err := o.bucket.Get(ctx, ownerKey(a))
	switch {
	case errors.Is(err, store.ErrNotFound):
		o.forget(a)
		return nil
	case err != nil:
		return fmt.Errorf("cluster: claim: %w", err)
	}
	r, err := parseRecord(e.Value)
	if err != nil {
		// Nobody can own it by that.
		if err := o.bucket.Delete(ctx, e.Key, e.Revision); err != nil {
			return fmt.Errorf("cluster: claim: %w", err)
		}
		return nil
	}
	o.apply(a, e.Revision, r, nil)
	return nil
}

// forget takes note that nobody owns a, before the watch says so.
func (o *Owners) forget(a usp.Address) {
	s := o.shard(a)
	s.mu.Lock()
	e, known := s.m[a]
	if !known || e.by == nil {
		s.mu.Unlock()
		return
	}
	o.count(e.by, -1)
	e.by = nil // what was before this revision is not to come back
	s.m[a] = e
	s.mu.Unlock()
	o.n.teller.changed(a)
}

// announce writes what there is to know of an address that is this node's.
func (o *Owners) announce(ctx context.Context, a usp.Address, x *op) {
	for ctx.Err() == nil {
		e, known := o.get(a)
		l := o.n.alive()
		if !known || l == nil || e.by.node != o.n.o.Name || e.by.epoch != l.epoch || e.fence != x.fence || e.given {
			return
		}
		info := x.info
		r := &record{
			node: o.n.o.Name, epoch: l.epoch, fence: e.fence, info: bitsOf(&info), leg: info.Leg,
			mtp: string(info.MTP), listener: info.Listener,
		}
		revision, err := o.update(ctx, ownerKey(a), r.encode(), e.revision)
		switch {
		case err == nil:
			o.apply(a, revision, r, nil)
			return
		case errors.Is(err, store.ErrConflict):
			err = o.refresh(ctx, a)
		}
		if err != nil {
			o.n.log.Warn("an address could not be announced", zap.Stringer("address", a), zap.Error(err))
			pause(ctx, watchAgain)
		}
	}
}

func (o *Owners) update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return o.bucket.Update(ctx, key, value, revision, 0) //nolint:wrapcheck // logged by the caller
}

// release gives an address up.
func (o *Owners) release(ctx context.Context, a usp.Address, fence uint64) {
	for ctx.Err() == nil {
		e, known := o.get(a)
		l := o.n.alive()
		if !known || l == nil || e.by.node != o.n.o.Name || e.by.epoch != l.epoch || e.fence != fence {
			return
		}
		err := o.remove(ctx, ownerKey(a), e.revision)
		switch {
		case err == nil:
			o.forget(a)
			return
		case errors.Is(err, store.ErrConflict):
			err = o.refresh(ctx, a)
		}
		if err != nil {
			o.n.log.Warn("an address could not be given up", zap.Stringer("address", a), zap.Error(err))
			pause(ctx, watchAgain)
		}
	}
}

func (o *Owners) remove(ctx context.Context, key string, revision uint64) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return o.bucket.Delete(ctx, key, revision) //nolint:wrapcheck // logged by the caller
}
