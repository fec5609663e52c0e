// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"math/rand/v2"
	"time"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
)

// Message types and the like, under names of the house.
const (
	typeConfirmable    = message.Confirmable
	typeNonConfirmable = message.NonConfirmable
	typeAck            = message.Acknowledgement
	typeReset          = message.Reset
	// randomFactor is ACK_RANDOM_FACTOR minus one [RFC 7252 4.8].
	randomFactor = 0.5
)

type option = message.Option

// midKey names a message that waits for its ACK.
type midKey struct {
	way way
	mid uint16
}

// tokenKey names a request that waits for its response.
type tokenKey struct {
	way   way
	token uint64
}

// exchange is a confirmable message on its way: it is sent again until an ACK
// or RST comes or MAX_RETRANSMIT is reached [RFC 7252 4.2].
type exchange struct {
	n     *node
	owner exchanger
	to    way
	mid   uint16
	tries int
	begun time.Time
	wait  time.Duration
	rtt   *roundTrip // of the peer; nil: not known
	timer timer
}

// exchanger is what an exchange sends. All methods are called with the lock;
// after acked, reset and lost the exchange is over.
type exchanger interface {
	// fill completes the message but for type and Message ID.
	fill(fx *effects, m *message.Message)
	acked(fx *effects)
	reset(fx *effects)
	lost(fx *effects)
}

// launch sends the owner's message with a new Message ID.
//
// Deviation: a Message ID comes again after 65,536 messages, within
// EXCHANGE_LIFETIME if they are sent at more than 265 a second [RFC 7252 4.4]:
// a Record of 5 MiB alone is 5,120 messages. Requests differ by their token.
func (n *node) launch(fx *effects, x *exchange, owner exchanger, to way, rtt *roundTrip) {
	x.n, x.owner, x.to, x.rtt = n, owner, to, rtt
	x.number()
	x.tries, x.begun = 0, time.Now()
	first := rtt.timeout(n.opts.MinAckTimeout, n.opts.AckTimeout)
	x.wait = time.Duration(float64(first) * (1 + randomFactor*rand.Float64()))
	x.transmit(fx)
}

// number gives the message the next Message ID that is free.
func (x *exchange) number() {
	n := x.n
	for {
		n.lastMID++
		x.mid = n.lastMID
		if _, taken := n.byMID[midKey{x.to, x.mid}]; !taken {
			break
		}
	}
	n.byMID[midKey{x.to, x.mid}] = x
}

// firstMID is the Message ID before the first one. They begin where the clock
// stands in EXCHANGE_LIFETIME: a process that takes over from one that has died
// uses none again, as long as fewer than 265 messages a second go out.
func firstMID(now time.Time) uint16 {
	return uint16(now.UnixNano() % int64(exchangeLifetime) * (1 << 16) / int64(exchangeLifetime))
}

// renew sends the message at once with another Message ID, far from this one,
// because the peer has taken it for one that it has answered before
// [RFC 7252 4.5]. It counts as a repetition.
func (x *exchange) renew(fx *effects) {
	if x.tries >= x.n.opts.MaxRetransmit {
		return // somebody plays with us: the timer is running
	}
	x.land()
	x.n.lastMID += 1<<13 + uint16(rand.IntN(1<<12))
	x.number()
	x.tries++
	x.transmit(fx)
}

func (x *exchange) transmit(fx *effects) {
	m := message.Message{Type: typeConfirmable, MessageID: int32(x.mid)}
	x.owner.fill(fx, &m)
	fx.put(x.to, &m)
	x.n.clock.arm(&x.timer, x, x.wait)
}

// expire implements expirer: no ACK in time.
func (x *exchange) expire(fx *effects) {
	o := x.n.opts
	longest := o.AckTimeout << min(o.MaxRetransmit, 16)
	if x.tries++; x.tries > o.MaxRetransmit && time.Since(x.begun) >= 2*longest-o.AckTimeout {
		x.land()
		x.owner.lost(fx)
		return
	}
	if x.wait < longest {
		x.wait *= 2
	}
	x.transmit(fx)
}

// heard learns from an answer how long the peer takes. That to a repetition
// says nothing: it may be to the message before.
func (x *exchange) heard() {
	if x.rtt != nil && x.tries == 0 && x.n.byMID[midKey{x.to, x.mid}] == x {
		x.rtt.add(time.Since(x.begun))
	}
}

// land ends the exchange.
func (x *exchange) land() {
	if x.n == nil {
		return
	}
	x.n.clock.disarm(&x.timer)
	key := midKey{x.to, x.mid}
	if x.n.byMID[key] == x {
		delete(x.n.byMID, key)
	}
}

// dispatch deals with a message.
func (n *node) dispatch(fx *effects, w way, m *message.Message, data []byte) {
	mid := uint16(m.MessageID)
	switch class := m.Code >> 5; {
	case m.Code == codes.Empty:
		n.onEmpty(fx, w, m.Type, mid)
	case class == 0 && m.Type <= typeNonConfirmable:
		n.onRequest(fx, w, m, data)
	case class == 2, class == 4, class == 5:
		n.onResponse(fx, w, m)
	case m.Type == typeConfirmable: // a reserved class [RFC 7252 4.2]
		fx.empty(w, typeReset, mid)
	}
}

// onEmpty deals with a ping, an empty ACK, or an RST.
func (n *node) onEmpty(fx *effects, w way, t message.Type, mid uint16) {
	x := n.byMID[midKey{w, mid}]
	switch {
	case t == typeConfirmable:
		fx.empty(w, typeReset, mid) // [RFC 7252 4.3]
	case x == nil || t == typeNonConfirmable:
	case t == typeAck:
		x.heard()
		x.land()
		x.owner.acked(fx)
	default:
		x.land()
		x.owner.reset(fx)
	}
}

// onResponse deals with a response, piggybacked or separate [RFC 7252 5.2]. It
// must come from where the request went.
func (n *node) onResponse(fx *effects, w way, m *message.Message) {
	var d *delivery
	if token, ok := tokenOf(m.Token); ok {
		d = n.byToken[tokenKey{w, token}]
	}
	mid := uint16(m.MessageID)
	switch {
	case m.Type == typeConfirmable && d == nil:
		fx.empty(w, typeReset, mid) // not ours, or answered before
	case m.Type == typeConfirmable:
		fx.empty(w, typeAck, mid)
		d.answered(fx, m)
	case d == nil:
		if x := n.byMID[midKey{w, mid}]; x != nil && m.Type == typeAck {
			x.renew(fx)
		}
	case m.Type == typeAck && d.ex.mid != mid: // of a message before
	case m.Type <= typeAck:
		d.answered(fx, m)
	}
}

// tokenOf is the value of a token of ours.
func tokenOf(t message.Token) (uint64, bool) {
	if len(t) != tokenSize {
		return 0, false
	}
	var v uint64
	for _, b := range t {
		v = v<<8 | uint64(b)
	}
	return v, true
}

// ping is an empty confirmable message that asks for an RST [RFC 7252 4.3].
type ping struct {
	ex   exchange
	done chan bool // whether anything came
}

func (p *ping) fill(*effects, *message.Message) {}
func (p *ping) acked(*effects)                  { p.done <- true }
func (p *ping) reset(*effects)                  { p.done <- true }

func (p *ping) lost(fx *effects) {
	if s := p.ex.to.session; s != nil {
		s.n.endSession(fx, s)
	}
	p.done <- false
}

// startPing sends a ping.
func (n *node) startPing(to way) *ping {
	p := &ping{done: make(chan bool, 1)}
	fx := n.begin()
	defer n.end(fx)
	n.launch(fx, &p.ex, p, to, nil)
	return p
}

// stopPing ends it without an outcome.
func (n *node) stopPing(p *ping) {
	fx := n.begin()
	defer n.end(fx)
	p.ex.land()
}
