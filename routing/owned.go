// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

// ownState is how far an address is this node's.
type ownState uint8

const (
	ownNone      ownState = iota // not: its lanes are away
	ownClaiming                  // Peers has been asked for it
	ownAcquiring                 // it is ours, and the Queue does not know yet
	ownMine                      // its lanes use Links and the Queue
	ownLeaving                   // another node gets it once nothing is under way here
)

// owned is the part of an address that is shared out among nodes. One goroutine
// at a time steers it: it looks at how things are and takes the next step, after
// whatever has happened. Nil where there is only one node.
type owned struct {
	e     *endpoint
	sched atomic.Int32 // of steer, as lane.sched

	// remote is what another node has told as the owner; nil if none is.
	remote atomic.Pointer[Ownership]

	mu sync.Mutex // a leaf
	// state and fence are written by steer, under main.mu too, so that lanes made
	// there begin as the others are. fence is 0 unless Forwards are taken.
	state ownState
	fence uint64
	// What has happened since steer last looked.
	want    bool // a Link has come up: claim, whoever has it
	lost    bool
	claimed *claimEnd
	disowns []disowning
	// claim numbers the claims: what an earlier one brings is void.
	claim uint64
	// restored: Records wait from before. quit: the address is to be forgotten;
	// quits, the fence by which it is given up for that.
	restored, quit bool
	quits          uint64
	// rest is when the next claim may be made, bad the fence under which the
	// owner has refused Records until badTill; pause doubles with each failure.
	rest, badTill time.Duration
	bad           uint64
	pause         time.Duration
	hurry         time.Duration // when what is under way is not waited for any more
	timer         *time.Timer
	due           time.Duration // of timer, 0 if it is not set
	leg           legSeen
	info          Info // that was announced for fence told
	told          uint64
}

// legSeen is by which connection of the Endpoint, at which node, its Connect
// Records were made.
type legSeen struct {
	node string
	leg  uint32
}

type claimEnd struct {
	own Ownership
	err error
}

type disowning struct {
	fence uint64
	by    Session
	done  func(error)
}

// Bounds of the pause after a claim or a Record was refused.
const (
	pauseMin = 5 * time.Millisecond
	pauseMax = time.Second
)

func (o *owned) set(state ownState, fence uint64) {
	var fx effects
	o.e.main.mu.Lock()
	o.mu.Lock()
	o.state, o.fence = state, fence
	o.mu.Unlock()
	o.e.main.unlock(&fx)
}

// steer takes steps until one has to wait.
func (o *owned) steer() {
	for again := true; again; {
		again = o.step()
	}
}

func (o *owned) step() bool {
	o.mu.Lock()
	state, lost, hurry, now := o.state, o.lost, o.hurry, o.e.r.now()
	o.lost = false
	late := hurry != 0 && hurry <= now && state != ownLeaving
	if late {
		o.hurry = 0
	}
	o.mu.Unlock()
	switch {
	case late: // a Link that hangs holds nobody's window
		o.e.eachLane((*lane).orphan)
	case hurry > now:
		o.at(hurry)
	}
	switch {
	case lost:
		return o.forfeit()
	case state == ownClaiming:
		return o.claimEnded()
	case state == ownAcquiring:
		return o.acquire()
	case state == ownMine:
		return o.keep()
	case state == ownLeaving:
		return o.leave()
	default:
		return o.seek()
	}
}

// seek finds who owns the address, and claims it if there is reason to.
func (o *owned) seek() bool {
	e, r := o.e, o.e.r
	o.answerAll(nil)
	if e.gone.Load() {
		return false
	}
	own := r.o.Peers.Owner(e.addr)
	o.note(own)
	needs := e.needs()
	linked := e.links.Load() > e.routed.Load()
	now := r.now()
	o.mu.Lock()
	want, restored, rest := o.want, o.restored, o.rest
	o.mu.Unlock()
	var claim bool
	if theirs := own.Node != "" && own.Node != r.node && own.Alive; theirs {
		claim = want || linked && !own.Info.Up
	} else {
		// What was given up, and nobody took, is taken back: the others go on asking here.
		limbo := own.Node == r.node && own.Alive
		claim = want || linked || needs || limbo || restored && e.links.Load() > 0
	}
	switch {
	case claim && rest > now:
		o.at(rest)
	case claim:
		return o.ask()
	}
	if !o.way(own, now) && needs {
		o.at(now + pauseMax)
	}
	return false
}

// way lets the lanes have the Link to the owner; it is false if there is none.
func (o *owned) way(own Ownership, now time.Duration) bool {
	r := o.e.r
	var p *port
	if own.Node != "" && own.Node != r.node && own.Alive {
		p = r.nodePort(own.Node)
	}
	o.mu.Lock()
	if own.Fence == o.bad && o.badTill > now {
		p = nil
		o.mu.Unlock()
		o.at(o.badTill)
	} else {
		o.mu.Unlock()
	}
	o.e.eachLane(func(l *lane) { l.setWay(p, own.Fence) })
	return p != nil
}

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
		o.mu.Lock()
		o.restored, o.pause, o.rest = false, 0, 0
		o.mu.Unlock()
		o.remote.Store(nil)
		o.set(ownAcquiring, c.own.Fence)
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
	if q, ok := r.o.Buffer.(buffer.Owned); ok {
		if rest > r.now() {
			o.at(rest)
			return false
		}
		ctx, cancel := context.WithTimeout(r.ctx, r.o.ClaimWait)
		err := q.Acquire(ctx, e.addr)
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
	for _, b := range r.lanesOf(e.addr) {
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

// lanesOf lists what waits for one address.
func (r *Router) lanesOf(to usp.Address) []buffer.Lane {
	if q, ok := r.o.Buffer.(interface {
		LanesOf(to usp.Address) []buffer.Lane
	}); ok {
		return q.LanesOf(to)
	}
	return slices.DeleteFunc(r.o.Buffer.Lanes(), func(l buffer.Lane) bool { return l.To != to })
}

// keep tells the others what is new, until one of them gets the address.
func (o *owned) keep() bool {
	e, r := o.e, o.e.r
	own := r.o.Peers.Owner(e.addr)
	o.mu.Lock()
	fence, disowns, quit := o.fence, o.disowns, o.quit
	o.disowns, o.quit, o.want = nil, false, false
	o.mu.Unlock()
	if own.Node != "" && own.Fence > fence {
		// Another node's; or this one's by a claim from before its lease was lost,
		// which was carried out all the same: nobody would send by the old fence.
		o.mu.Lock()
		o.disowns = disowns
		o.mu.Unlock()
		return o.forfeit()
	}
	for i, d := range disowns {
		if d.fence != fence {
			d.done(nil)
			continue
		}
		if err := e.yields(&d.by); err != nil {
			d.done(err)
			continue
		}
		o.mu.Lock()
		o.disowns = append(o.disowns, disowns[i:]...)
		o.hurry = r.now() + r.o.HandOver
		o.mu.Unlock()
		e.replace(&d.by)
		o.set(ownLeaving, 0)
		e.eachLane(func(l *lane) { l.giveWay(false) })
		return true
	}
	if quit && e.unused() {
		o.mu.Lock()
		o.quits, o.hurry = fence, r.now()+r.o.HandOver
		o.mu.Unlock()
		o.set(ownLeaving, 0)
		e.eachLane(func(l *lane) { l.giveWay(false) })
		return true
	}
	o.announce(fence)
	return false
}

// unused reports that the address has neither a Link nor anything waiting.
func (e *endpoint) unused() bool {
	var fx effects
	e.main.mu.Lock()
	defer e.main.unlock(&fx)
	return e.links.Load() == e.routed.Load() && e.lanes.Load() == 0 && e.main.empty()
}

// announce publishes what is known of the Endpoint, if that has changed.
func (o *owned) announce(fence uint64) {
	info := o.e.present()
	if o.told == fence && info == o.info {
		return
	}
	o.told, o.info = fence, info
	o.e.r.o.Peers.Announce(o.e.addr, fence, info)
}

// leave ends once nothing is under way, or after HandOver what is stored anyway.
func (o *owned) leave() bool {
	e, r := o.e, o.e.r
	o.mu.Lock()
	hurry := o.hurry
	o.mu.Unlock()
	if now := r.now(); hurry > now {
		if !e.handedOver() {
			o.at(hurry)
			return false
		}
	} else {
		e.eachLane((*lane).orphan)
		if !e.handedOver() { // a Put is under way, and will say so
			return false
		}
	}
	o.release()
	o.mu.Lock()
	o.hurry = 0
	quits := o.quits
	o.quits = 0
	o.rest = r.now() + r.o.HandOver // the one for whom it was given up comes first
	o.mu.Unlock()
	o.set(ownNone, 0)
	if quits != 0 {
		r.o.Peers.Release(e.addr, quits)
	}
	return true
}

// release gives the Queue's lanes back.
func (o *owned) release() {
	if q, ok := o.e.r.o.Buffer.(buffer.Owned); ok {
		q.Release(o.e.addr)
	}
}

// forfeit stops the use of everything: the address is not ours any more, and
// may be somebody else's already.
func (o *owned) forfeit() bool {
	o.mu.Lock()
	was := o.state
	o.claim++
	o.claimed = nil
	o.hurry = o.e.r.now() + o.e.r.o.HandOver
	o.mu.Unlock()
	o.set(ownNone, 0)
	o.e.eachLane(func(l *lane) { l.giveWay(true) })
	if was == ownAcquiring || was == ownMine || was == ownLeaving {
		o.release()
	}
	o.at(o.hurry)
	return true
}

// answerAll answers whoever has asked for the address.
func (o *owned) answerAll(err error) {
	o.mu.Lock()
	disowns := o.disowns
	o.disowns = nil
	o.mu.Unlock()
	for _, d := range disowns {
		d.done(err)
	}
}

// refused is called when the owner did not take a Record sent under fence.
func (o *owned) refused(fence uint64) {
	o.mu.Lock()
	now := o.e.r.now()
	if o.bad != fence || o.badTill <= now {
		if o.bad != fence {
			o.pause = 0
		}
		o.pause = min(max(2*o.pause, pauseMin), pauseMax)
		o.bad, o.badTill = fence, now+o.pause
	}
	o.mu.Unlock()
	o.schedule()
}

// taken is called when the Queue says that the lanes are another node's, or were: a
// node whose lease has run out may end its Acquire after ours. They are acquired
// anew, if the address is still this node's.
func (o *owned) taken() {
	o.mu.Lock()
	if o.state == ownMine && !o.lost {
		o.lost, o.rest = true, o.e.r.now()+pauseMin
	}
	o.mu.Unlock()
	o.schedule()
}

// wanted is called when a Link of the Endpoint has come up.
func (o *owned) wanted() {
	o.mu.Lock()
	o.want, o.rest = true, 0
	o.mu.Unlock()
	o.schedule()
}

// holds reports whether Forwards under that fence are taken.
func (o *owned) holds(fence uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return fence != 0 && o.fence == fence
}

// idle reports that the endpoint may go: the address is not this node's. One that
// is, is given up first.
func (o *owned) idle() bool {
	if o == nil {
		return true
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.state == ownMine && !o.quit {
		o.quit = true
		defer o.schedule()
	}
	return o.state == ownNone && !o.lost && len(o.disowns) == 0
}

// session is the best Link of the Endpoint here, nil if there is none.
func (e *endpoint) session() *Session {
	var s *Session
	e.eachBinding(func(b *binding) {
		p := b.p
		if b.via != 0 || p.dead.Load() || p.replaced.Load() || s != nil && s.Order < p.peer.Order {
			return
		}
		s = &Session{
			Kind: p.peer.Kind, Order: p.peer.Order, Proven: p.proves(e.addr.ID),
			Shared: !p.direct() || p.peer.Kind == mtp.Virtual, Presents: p.peer.Presents,
		}
	})
	return s
}

// yields is why the address is not given up for a Link at another node, nil if
// it is: as between two Links of one node.
func (e *endpoint) yields(by *Session) error {
	var err error
	e.eachBinding(func(b *binding) {
		p := b.p
		switch {
		case err != nil || b.via != 0 || p.dead.Load() || p.replaced.Load():
		case by.Standby || p.peer.Order < by.Order:
			err = ErrKept
		case !by.Proven && p.proves(e.addr.ID):
			err = mtp.ErrForbidden
		case by.Presents != "" && p.peer.Presents != "" && !e.r.same(by.Presents, p.peer.Presents):
			err = mtp.ErrBusy // all Links per counterpart have to be at one node
		}
	})
	return err
}

// replace closes the Links that a newer one at another node replaces.
func (e *endpoint) replace(by *Session) {
	e.eachBinding(func(b *binding) {
		p := b.p
		if p.peer.Kind == by.Kind && p.peer.Order == by.Order && !p.dead.Load() && by.Kind != mtp.Virtual &&
			!p.peer.Shared && !by.Shared && by.Presents == p.peer.Presents {
			p.replaced.Store(true)
			p.link.Close(mtp.ErrReplaced)
		}
	})
}

// closeLinks closes the Links with which the Endpoint is not let in.
func (e *endpoint) closeLinks(cause error) {
	e.eachBinding(func(b *binding) {
		if b.via == 0 && b.p.direct() && !b.p.peer.Shared && !b.p.dead.Load() {
			e.r.log.Warn("an address is another node's", b.p.fields(zap.Error(cause))...)
			b.p.link.Close(cause)
		}
	})
}

func (e *endpoint) eachBinding(f func(*binding)) {
	e.eachLane(func(l *lane) {
		if links := l.links.Load(); links != nil {
			for i := range *links {
				f(&(*links)[i])
			}
		}
	})
}
