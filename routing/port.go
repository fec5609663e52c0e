// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// port is the Router's end of one Link.
type port struct {
	r    *Router
	link mtp.Link
	conn mtp.Connector // nil: no Connect Records are made for this Link
	node NodeLink      // of a Link to another node, else nil
	peer mtp.Peer
	// name is that of the Transport if the Link is a trunk, else empty.
	name string
	// sealed: no Message from or to this Link is looked into [R-SEC.4c].
	sealed bool
	// dead is set with the first sign that the Link is gone.
	dead atomic.Bool
	// replaced: the peer has opened a newer Link, so this one has probably been
	// lost for a while.
	replaced atomic.Bool
	// ended is set before the bindings end; lost, if that was not in good order.
	ended, lost atomic.Bool
	// hold is how long a Record of the Link may be held, see holds; stalls: if too
	// much is, nothing more is taken.
	hold   time.Duration
	stalls bool

	in  ingress
	out egress
	who identity
}

// ingress is what has been accepted and waits for its outcome: the window.
type ingress struct {
	mu         sync.Mutex
	room       sync.Cond
	records    int
	bytes      int64
	head, tail *out // oldest first
	timer      *time.Timer
	armed      bool
	down       bool
	released   bool  // Accept does not block any more
	held       int   // of records, see holds
	heldBytes  int64 // of bytes
}

// egress is what has been enqueued and waits for Settled. A token is the index
// of its slot plus one in the low slotBits, and the order of enqueueing above,
// so that none is used twice.
type egress struct {
	mu      sync.Mutex
	slots   []slot
	free    uint32 // first free slot plus one
	used    int
	order   uint64
	waiters []*lane // for room, first come first served
}

type slot struct {
	o     *out
	token mtp.Token
	next  uint32
}

const slotBits = 24

// keepSlots is how many slots an idle Port keeps.
const keepSlots = 64

// Accept implements mtp.Port.
func (p *port) Accept(rec usp.Record, hint mtp.Hint, t mtp.Token) {
	o := p.r.newOut()
	o.rec, o.in, o.inToken, o.trunk = rec, p, t, p.name
	p.enter(o)
	l, err := p.r.route(p, o, hint)
	if l == nil {
		p.refuse(o, err)
		return
	}
	o.lane.Store(l)
	l.accept(o)
}

// refuse answers a Record that goes nowhere: err may be nil, for a Connect
// Record that has been consumed.
func (p *port) refuse(o *out, err error) {
	t := o.inToken
	p.release(o)
	p.r.free(o)
	p.r.metrics.refused(err)
	p.link.Ack(t, err)
}

// enter takes o into the window, and waits for room first.
func (p *port) enter(o *out) {
	in, size := &p.in, int64(o.rec.Len())
	in.mu.Lock()
	defer in.mu.Unlock()
	for !in.down && !in.released && in.records > 0 &&
		(in.records >= p.r.o.WindowRecords || in.bytes+size > p.r.o.WindowBytes || p.stalled()) {
		in.room.Wait()
	}
	in.records++
	in.bytes += size
	o.at = p.r.now()
	o.inPrev = in.tail
	if in.tail == nil {
		in.head = o
	} else {
		in.tail.inNext = o
	}
	in.tail = o
	if !in.armed && !in.down {
		p.arm(p.r.o.SpillAfter)
	}
}

// release takes o out of the window.
func (p *port) release(o *out) {
	in := &p.in
	in.mu.Lock()
	if o.inPrev == nil {
		in.head = o.inNext
	} else {
		o.inPrev.inNext = o.inNext
	}
	if o.inNext == nil {
		in.tail = o.inPrev
	} else {
		o.inNext.inPrev = o.inPrev
	}
	o.inPrev, o.inNext = nil, nil
	in.records--
	in.bytes -= int64(o.rec.Len())
	in.mu.Unlock()
	in.room.Signal()
}

// arm has age called after d; in.mu is held.
func (p *port) arm(d time.Duration) {
	p.in.armed = true
	if p.in.timer == nil {
		p.in.timer = time.AfterFunc(d, p.age)
	} else {
		p.in.timer.Reset(d)
	}
}

// age spills the lanes of Records that have waited too long: once such a Record
// is in the buffer its sender is free again, whatever the receiver does.
func (p *port) age() {
	if !p.r.begin() {
		return
	}
	defer p.r.end()
	now, limit := p.r.now(), p.r.o.SpillAfter
	var lanes []*lane
	in := &p.in
	in.mu.Lock()
	in.armed = false
	for o := in.head; o != nil && now-o.at >= limit; o = o.inNext {
		if l := o.lane.Load(); l != nil && (len(lanes) == 0 || lanes[len(lanes)-1] != l) {
			lanes = append(lanes, l)
		}
	}
	if in.records > in.held && !in.down {
		p.arm(max(limit-(now-in.head.at), limit/8))
	}
	in.mu.Unlock()
	for _, l := range lanes {
		l.spillOlder(now - limit)
	}
}

// take gives o a token.
func (p *port) take(o *out) mtp.Token {
	e := &p.out
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.free == 0 {
		e.slots = append(e.slots, slot{})
		e.free = uint32(len(e.slots))
	}
	i := e.free
	s := &e.slots[i-1]
	e.free = s.next
	e.used++
	e.order++
	o.order = e.order
	s.o, s.token = o, mtp.Token(e.order<<slotBits|uint64(i))
	return s.token
}

// give takes the token back and returns what it stands for; nil if it does not
// stand for anything any more.
func (e *egress) give(t mtp.Token) *out {
	i := uint32(t & (1<<slotBits - 1))
	if i == 0 || int(i) > len(e.slots) {
		return nil
	}
	s := &e.slots[i-1]
	if s.o == nil || s.token != t {
		return nil
	}
	o := s.o
	s.o = nil
	s.next = e.free
	e.free = i
	e.used--
	if e.used == 0 && len(e.slots) > keepSlots {
		e.slots, e.free = nil, 0
	}
	return o
}

// cancel takes back the token of an Enqueue that failed. It is false if the
// Link went down meanwhile and o has been settled already.
func (p *port) cancel(t mtp.Token) bool {
	p.out.mu.Lock()
	defer p.out.mu.Unlock()
	return p.out.give(t) != nil
}

// Settled implements mtp.Port.
func (p *port) Settled(t mtp.Token, err error) {
	if err != nil && errors.Is(err, mtp.ErrLinkDown) {
		p.dead.Store(true)
	}
	e := &p.out
	e.mu.Lock()
	o := e.give(t)
	var waiter *lane
	if len(e.waiters) > 0 {
		waiter = e.popWaiter()
	}
	e.mu.Unlock()
	if o != nil {
		p.settle(o, err)
	}
	if waiter != nil {
		waiter.roomFor(p)
	}
}

// settle passes an outcome to the lane.
func (p *port) settle(o *out, err error) {
	l := o.lane.Load()
	if l == nil {
		p.r.free(o)
		return
	}
	o.err = err
	l.settled.pushSettled(o)
	l.kick()
}

func (e *egress) popWaiter() *lane {
	l := e.waiters[0]
	e.waiters[0] = nil
	e.waiters = e.waiters[1:]
	if len(e.waiters) == 0 {
		e.waiters = nil
	}
	return l
}

// wait puts l in line for room on the Link.
func (p *port) wait(l *lane) {
	p.out.mu.Lock()
	p.out.waiters = append(p.out.waiters, l)
	p.out.mu.Unlock()
}

// pass hands room that was offered and not used up to the next in line.
func (p *port) pass() {
	p.out.mu.Lock()
	var l *lane
	if len(p.out.waiters) > 0 {
		l = p.out.popWaiter()
	}
	p.out.mu.Unlock()
	if l != nil {
		l.roomFor(p)
	}
}

// Down implements mtp.Port.
func (p *port) Down(cause error) {
	p.dead.Store(true)
	p.in.mu.Lock()
	p.in.down = true
	if p.in.timer != nil {
		p.in.timer.Stop()
	}
	p.in.mu.Unlock()
	p.in.room.Broadcast()
	p.lost.Store(!orderly(cause))
	p.ended.Store(true)
	p.r.unshare(p)
	p.r.leaveIdentity(p)
	p.parting(cause)
	p.unbindAll()
	p.leaveHeld()
	p.abandon()
	p.r.log.Debug("link down", p.fields(zap.NamedError("cause", cause))...)
}

// abandon settles what the carrier should have settled, in order, and lets
// those go who wait for room.
func (p *port) abandon() {
	p.out.mu.Lock()
	var left []*out
	for i := range p.out.slots {
		if o := p.out.slots[i].o; o != nil {
			left = append(left, o)
			p.out.slots[i].o = nil
		}
	}
	p.out.slots, p.out.free, p.out.used = nil, 0, 0
	waiters := p.out.waiters
	p.out.waiters = nil
	p.out.mu.Unlock()
	slices.SortFunc(left, func(a, b *out) int {
		if a.order < b.order {
			return -1
		}
		return 1
	})
	for _, o := range left {
		p.settle(o, mtp.ErrLinkDown)
	}
	for _, l := range waiters {
		l.roomFor(p)
	}
}

// fields describe the Link in a log line.
func (p *port) fields(more ...zap.Field) []zap.Field {
	return append(more, zap.String("mtp", string(p.peer.Kind)), zap.String("listener", p.peer.Listener),
		zap.String("remote", p.peer.Remote), zap.String("endpoint_id", string(p.peer.Endpoint)))
}
