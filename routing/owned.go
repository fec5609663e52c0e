// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/uspgate/uspgate/routing/buffer"
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
	// shut is the newest fence under which a Forward was refused: of those that follow
	// under it none is taken either, also if it turns out to be this node's.
	shut uint64
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
	// calm is how long nothing was refused before the pauses begin with the shortest
	// again. Until then they go on growing, whatever the fence: an owner that hears of
	// each of its claims after the others do is to have the time for it.
	calm = 5 * pauseMax
)

// set is false, and does nothing, if the address would be this node's by a fence under
// which Forwards have been refused.
func (o *owned) set(state ownState, fence uint64) bool {
	var fx effects
	o.e.main.mu.Lock()
	defer o.e.main.unlock(&fx)
	o.mu.Lock()
	defer o.mu.Unlock()
	if state == ownAcquiring && fence <= o.shut {
		return false
	}
	o.state, o.fence = state, fence
	return true
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
	if p != nil && o.badTill > now {
		p = nil
		o.mu.Unlock()
		o.at(o.badTill)
	} else {
		o.mu.Unlock()
	}
	o.e.eachLane(func(l *lane) { l.setWay(p, own.Fence) })
	return p != nil
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
		if now-o.badTill > calm {
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

// holds reports whether Forwards under that fence are taken. Once one is not, the others
// that were sent under it are not either: the owner takes a prefix of them.
func (o *owned) holds(fence uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if fence != 0 && o.fence == fence {
		return true
	}
	o.shut = max(o.shut, fence)
	return false
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
