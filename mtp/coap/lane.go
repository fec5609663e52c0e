// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
)

var (
	errUnreachable = errors.New("coap: the peer does not answer")
	errNoSession   = errors.New("coap: no DTLS session")
)

// laneKey names where a lane leads: one CoAP endpoint.
type laneKey struct {
	host   string
	port   uint16
	secure bool
}

// lane has what is to be sent to one host and port, of all Links. At most
// NStart messages wait there for their ACK [RFC 7252 4.7]; those of one Link
// go one after the other. A lane lives as long as there is something in it.
type lane struct {
	n       *node
	dest    *target
	to      way
	ready   bool // to is known and can be written to
	dialing bool
	queue   []*delivery // in the order of Enqueue
	flight  []*delivery // active and pending
	active  int
}

// laneTo returns the lane to t.
func (n *node) laneTo(t *target) *lane {
	key := laneKey{t.host, t.port, t.secure}
	l := n.lanes[key]
	if l == nil {
		l = &lane{n: n, dest: t}
		n.lanes[key] = l
	}
	return l
}

// crowded reports whether one destination has its part of a shared Link's
// queue: a quarter.
func (n *node) crowded(t *target) bool {
	l := n.lanes[laneKey{t.host, t.port, t.secure}]
	return l != nil && len(l.queue)+len(l.flight) >= max(1, n.opts.QueueRecords/4)
}

// add queues d.
func (l *lane) add(fx *effects, d *delivery) {
	d.lane = l
	l.queue = append(l.queue, d)
	l.pump(fx)
}

// pump starts what may be started, and forgets the lane when it is empty.
func (l *lane) pump(fx *effects) {
	if len(l.queue) == 0 {
		if len(l.flight) == 0 && !l.dialing {
			delete(l.n.lanes, laneKey{l.dest.host, l.dest.port, l.dest.secure})
		}
		return
	}
	if !l.open() {
		return
	}
	for l.active < l.n.opts.NStart && len(l.flight)-l.active < l.n.opts.Pipeline {
		i := slices.IndexFunc(l.queue, func(d *delivery) bool { return !l.busy(d.link) })
		if i < 0 {
			return
		}
		d := l.queue[i]
		l.queue = slices.Delete(l.queue, i, i+1)
		l.flight = append(l.flight, d)
		d.state = deliveryActive
		l.shift(d, 1)
		d.start(fx, l.to)
	}
}

// busy reports whether a Record of the Link is on its way: anywhere, as they
// may not overtake each other, or on a shared one in this lane.
func (l *lane) busy(k *link) bool {
	if !k.shared {
		return k.active > 0
	}
	return slices.ContainsFunc(l.flight, func(d *delivery) bool { return d.link == k && d.state == deliveryActive })
}

// open reports whether the way is known; otherwise somebody finds it out.
func (l *lane) open() bool {
	if l.ready && (l.to.session == nil || l.to.session.alive()) {
		return true
	}
	l.ready = false
	if l.dialing {
		return false
	}
	addr, literal := l.dest.address()
	if literal && !l.dest.secure {
		l.to, l.ready = way{addr: addr}, true
		return true
	}
	if s := l.n.sessions.byAddr[addr]; literal && s != nil && s.alive() {
		l.to, l.ready = way{addr, s}, true
		return true
	}
	l.dialing = true
	l.n.wg.Go(l.dial)
	return false
}

// dial resolves a name and shakes hands.
func (l *lane) dial() {
	to, err := l.n.dial(l.n.ctx, l.dest)
	fx := l.n.begin()
	defer l.n.end(fx)
	l.dialing = false
	if err != nil {
		l.n.opts.Log.Debug("no way to the peer", zap.String("host", l.dest.host), zap.Error(err))
		l.fail(fx, fmt.Errorf("%w: %w", errUnreachable, err))
		return
	}
	l.to, l.ready = to, true
	l.pump(fx)
}

// shift changes how many deliveries of a Link are active.
func (l *lane) shift(d *delivery, by int) {
	l.active += by
	d.link.active += by
}

// released: a delivery is not active any more, the next one may start, in this
// lane or another of its Link.
func (l *lane) released(fx *effects, k *link) {
	l.pump(fx)
	if k.shared || k.active > 0 {
		return
	}
	for _, d := range k.out {
		if d.state == deliveryQueued && d.lane != nil {
			if d.lane != l {
				d.lane.pump(fx)
			}
			return
		}
	}
}

// remove takes d out.
func (l *lane) remove(d *delivery) {
	if d.state == deliveryQueued {
		if i := slices.Index(l.queue, d); i >= 0 {
			l.queue = slices.Delete(l.queue, i, i+1)
		}
		return
	}
	if i := slices.Index(l.flight, d); i >= 0 {
		l.flight = slices.Delete(l.flight, i, i+1)
		if d.state == deliveryActive {
			l.shift(d, -1)
		}
	}
}

// fail ends all deliveries of the lane: nobody is there. A Link of one peer
// goes down, so that the router keeps its Records; on a shared one, whose other
// destinations may be well, each gets ErrBusy. The router has such a Record in
// its buffer by then, for it has waited too long, and tries it again.
func (l *lane) fail(fx *effects, cause error) {
	all := slices.Concat(l.flight, l.queue)
	for _, d := range all {
		if d.state == deliveryDone {
			continue
		}
		if d.link.shared {
			d.detach()
			d.state, d.err = deliveryDone, mtp.ErrBusy
			fx.links = append(fx.links, d.link)
			continue
		}
		d.link.fail(fx, cause)
	}
	l.pump(fx)
}

// dial finds the way to t: it resolves its name and, for coaps, opens a
// session [R-COAP.14].
func (n *node) dial(ctx context.Context, t *target) (way, error) {
	ctx, cancel := context.WithTimeout(ctx, n.opts.HandshakeTimeout)
	defer cancel()
	addr, ok := t.address()
	if !ok {
		var err error
		if addr, err = n.resolve(ctx, t); err != nil {
			return way{}, err
		}
	}
	if !t.secure {
		return way{addr: addr}, nil
	}
	s, err := n.openSession(ctx, addr, t.host)
	if err != nil {
		return way{}, err
	}
	return way{addr, s}, nil
}

// resolve looks a name up. The first address that our socket can send to wins.
func (n *node) resolve(ctx context.Context, t *target) (netip.AddrPort, error) {
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", t.host)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("coap: resolve: %w", err)
	}
	own := n.local.Addr()
	for _, a := range addrs {
		if a = a.Unmap(); a.Is4() == own.Is4() || own.Is6() && own.IsUnspecified() {
			return netip.AddrPortFrom(a, t.port), nil
		}
	}
	return netip.AddrPort{}, fmt.Errorf("coap: resolve: %s has no address of our family", t.host)
}
