// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/plgd-dev/go-coap/v3/message"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

var (
	errIdle  = errors.New("coap: nothing heard for too long")
	errPanic = errors.New("coap: panic")
)

// linkState says how far a Link is.
type linkState uint8

const (
	linkOpen    linkState = iota
	linkClosing           // takes nothing more, delivers what it has, waits for the outcomes it owes
	linkFailed            // everything left is settled with ErrLinkDown
	linkGone              // Down was called, or LinkUp has refused
)

// link is an mtp.Link: one Endpoint, or for a client with Shared many. The
// node's lock guards it. An idle Link has no goroutine; its worker, which
// introduces it, hands its Records to the router and ends it, lives while there
// is something of that to do.
type link struct {
	n      *node
	peer   mtp.Peer
	shared bool
	port   mtp.Port // nil until LinkUp has returned
	state  linkState
	cause  error
	up     chan struct{} // closed when LinkUp has taken it
	done   chan struct{} // closed when it is gone

	// Towards the peer.
	out      []*delivery // not settled, in the order of Enqueue
	records  int
	bytes    int
	active   int // deliveries that are
	settling bool
	dest     *target // default destination
	cached   struct {
		destination string
		dest        *target
		from        usp.EndpointID
		remote      netip.Addr
		replyTo     option
	}

	// From the peer.
	inbox     []*request
	unsettled map[mtp.Token]*request
	ticket    mtp.Token
	working   bool

	// What is known of the peer.
	source  netip.AddrPort
	session *session // that its latest Record came over
	replyTo string   // its latest reply-to
	heard   time.Time
	rtt     roundTrip
	timer   timer // idle, or the deadline of a close
}

// newLink makes a Link that its worker will introduce.
func (n *node) newLink(peer mtp.Peer, dest *target) *link {
	return &link{
		n: n, peer: peer, shared: peer.Shared, dest: dest, up: make(chan struct{}), done: make(chan struct{}),
		unsettled: make(map[mtp.Token]*request), heard: time.Now(),
	}
}

// Enqueue implements mtp.Link.
func (l *link) Enqueue(rec usp.Record, hint mtp.Hint, t mtp.Token) error {
	fx := l.n.begin()
	defer l.n.end(fx)
	size := rec.Len()
	switch o := l.n.opts; {
	case l.state != linkOpen:
		return mtp.ErrLinkDown
	case l.records >= o.QueueRecords, l.records > 0 && l.bytes+size > o.QueueBytes:
		return mtp.ErrFull
	}
	d := &delivery{link: l, data: rec.Bytes(), peer: rec.Header().To, ticket: t}
	known := l.address(d, rec.Header(), hint.Destination)
	if known && l.shared && l.n.crowded(d.dest) {
		return mtp.ErrFull
	}
	l.out = append(l.out, d)
	l.records++
	l.bytes += size
	if !known {
		d.state, d.err = deliveryDone, mtp.ErrUnroutable
		fx.links = append(fx.links, l)
	} else if l.port != nil {
		l.n.laneTo(d.dest).add(fx, d)
	}
	return nil
}

// address finds where d goes and the reply-to that goes with it [R-COAP.2a].
func (l *link) address(d *delivery, h *usp.Header, destination string) bool {
	c := &l.cached
	switch destination {
	case "", l.replyTo:
		d.dest = l.dest
	case c.destination:
		d.dest = c.dest
	default:
		t, err := parseTarget(destination)
		if err != nil || t.secure != (l.n.secure != nil) {
			return false
		}
		t.prepare()
		c.destination, c.dest = destination, &t
		d.dest = c.dest
	}
	if d.dest == nil {
		return false
	}
	remote := l.source.Addr()
	if addr, ok := d.dest.address(); ok {
		remote = addr.Addr()
	}
	if !remote.IsValid() && l.n.local.Addr().IsUnspecified() && l.n.opts.Advertise == "" {
		return false // nobody knows which of our addresses the peer can reach
	}
	if c.replyTo.Value == nil || c.from != h.From || c.remote != remote {
		uri := l.n.replyURI(h.From, remote)
		if len(replyToQuery)+len(uri) > maxQuery {
			return false
		}
		c.from, c.remote = h.From, remote
		c.replyTo = option{ID: message.URIQuery, Value: []byte(replyToQuery + uri)}
	}
	d.replyTo = c.replyTo
	return true
}

// settle tells the router the outcomes that are known, in the order of Enqueue.
func (l *link) settle() {
	n := l.n
	n.mu.Lock()
	defer n.mu.Unlock()
	if l.settling || l.port == nil {
		return
	}
	l.settling = true
	for d := l.settled(); d != nil; d = l.settled() {
		l.records-- // makes room first, so that the router may enqueue from Settled
		l.bytes -= len(d.data)
		n.mu.Unlock()
		n.metrics.Sent(1, d.err)
		l.port.Settled(d.ticket, d.err)
		n.mu.Lock()
	}
	l.settling = false
	if l.state != linkOpen {
		l.kick()
	}
}

// settled takes out the next delivery that is done: the oldest one, or on a
// shared Link any, so that a destination does not wait for another one.
func (l *link) settled() *delivery {
	for i, d := range l.out {
		if d.state == deliveryDone {
			if i == 0 {
				l.out[0] = nil
				l.out = l.out[1:]
			} else {
				l.out = slices.Delete(l.out, i, i+1)
			}
			if len(l.out) == 0 {
				l.out = nil
			}
			return d
		}
		if !l.shared {
			break
		}
	}
	return nil
}

// Ack implements mtp.Link: the sender gets its answer [R-COAP.7].
func (l *link) Ack(t mtp.Token, err error) {
	fx := l.n.begin()
	defer l.n.end(fx)
	r := l.unsettled[t]
	if r == nil {
		return // the Link is down
	}
	delete(l.unsettled, t)
	l.n.metrics.Received(err)
	r.settled(fx, err)
	if l.state != linkOpen {
		l.kick()
	}
}

// Close implements mtp.Link.
func (l *link) Close(cause error) {
	fx := l.n.begin()
	defer l.n.end(fx)
	l.shut(cause)
}

// shut begins a graceful close.
func (l *link) shut(cause error) {
	if l.state != linkOpen {
		return
	}
	l.state, l.cause = linkClosing, cause
	l.n.clock.arm(&l.timer, l, l.n.opts.CloseTimeout)
	l.kick()
}

// fail takes the Link down at once.
func (l *link) fail(fx *effects, cause error) {
	if l.state >= linkFailed {
		return
	}
	if l.state == linkOpen {
		l.cause = cause
	}
	l.state = linkFailed
	l.cancel(fx)
	l.kick()
}

// cancel ends what is on its way.
func (l *link) cancel(fx *effects) {
	lanes := make(map[*lane]bool, 1)
	for _, d := range l.out {
		if d.state == deliveryDone {
			continue
		}
		if d.lane != nil {
			lanes[d.lane] = true
		}
		d.detach()
		d.state, d.err = deliveryDone, mtp.ErrLinkDown
	}
	for lane := range lanes {
		lane.pump(fx)
	}
	fx.links = append(fx.links, l)
}

// expire implements expirer: the Link is idle, or its close takes too long.
func (l *link) expire(fx *effects) {
	switch l.state {
	case linkOpen:
		if quiet := time.Since(l.heard); quiet < l.n.opts.Idle || l.records > 0 {
			l.n.clock.arm(&l.timer, l, max(l.n.opts.Idle-quiet, l.n.opts.Idle/8))
			return
		}
		l.shut(errIdle)
	case linkClosing:
		l.fail(fx, nil)
	case linkFailed, linkGone:
	}
}

// useSession notes the session of the latest Record. One that no Link uses any
// more is closed.
func (l *link) useSession(s *session) {
	old := l.session
	if s != nil {
		s.links++
	}
	l.session = s
	if old == nil {
		return
	}
	if old.links--; old.links == 0 && old.state == sessionUp && s == nil {
		l.n.wg.Go(func() { _ = old.conn.Close() })
	}
}

// hear notes a sign of life.
func (l *link) hear() { l.heard = time.Now() }

// push takes a Record from the peer, which the worker hands to the router.
func (l *link) push(r *request) error {
	if l.state != linkOpen || len(l.inbox)+len(l.unsettled) >= l.n.opts.MaxUnsettled {
		return mtp.ErrBusy
	}
	l.hear()
	l.ticket++
	r.ticket = l.ticket
	l.inbox = append(l.inbox, r)
	l.n.clock.arm(&r.timer, r, l.n.opts.AckDelay)
	l.kick()
	return nil
}

// logger is made when needed.
func (l *link) logger() *zap.Logger {
	return l.n.opts.Log.With(
		zap.String("remote", l.peer.Remote), zap.String("endpoint_id", string(l.peer.Endpoint)))
}
