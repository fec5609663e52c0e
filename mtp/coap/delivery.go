// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// maxRestarts is how often the peer may have a body sent from its beginning
// again: with smaller blocks, or because it has lost some [RFC 7959 2.9.2].
const maxRestarts = 3

// deliveryState says how far a delivery is.
type deliveryState uint8

const (
	deliveryQueued  deliveryState = iota // in the lane's queue, or not yet in a lane
	deliveryActive                       // a message waits for its ACK, or for the answer to a block
	deliveryPending                      // ACKed as a whole; its separate response is waited for
	deliveryDone
)

// delivery is one Record on its way to a peer: a POST, or one per block
// [R-COAP.2, R-COAP.5].
type delivery struct {
	link    *link
	lane    *lane
	dest    *target
	replyTo option // Uri-Query reply-to=…
	data    []byte
	peer    usp.EndpointID // to_id
	ticket  mtp.Token      // the router's
	state   deliveryState
	err     error // when done

	ex       exchange
	to       way
	token    [tokenSize]byte // the same for all blocks of a body
	num      uint32          // of the block on its way
	szx      uint8
	restarts int
	timer    timer // of the separate response
}

// start sends the first message, or the only one.
func (d *delivery) start(fx *effects, to way) {
	d.to = to
	d.szx, _ = szxOf(d.link.n.opts.BlockSize)
	if !to.session.speaksFor(d.peer) {
		d.finish(fx, mtp.ErrForbidden) // [R-SEC.0a]
		return
	}
	d.restart(fx)
}

// restart sends the body from its beginning, with a new token.
func (d *delivery) restart(fx *effects) {
	n := d.link.n
	d.forget()
	d.num = 0
	if d.blocks() > maxBlocks {
		d.finish(fx, mtp.ErrTooLarge)
		return
	}
	if d.state == deliveryPending {
		d.state = deliveryActive
		d.lane.shift(d, 1)
	}
	binary.BigEndian.PutUint64(d.token[:], rand.Uint64())
	n.byToken[d.key()] = d
	n.launch(fx, &d.ex, d, d.to, d.roundTrip())
}

func (d *delivery) key() tokenKey { return tokenKey{d.to, binary.BigEndian.Uint64(d.token[:])} }

// forget takes back what the node knows of the request on its way.
func (d *delivery) forget() {
	if d.ex.n == nil {
		return
	}
	d.ex.land()
	d.ex.n.clock.disarm(&d.timer)
	if d.ex.n.byToken[d.key()] == d {
		delete(d.ex.n.byToken, d.key())
	}
}

// blocks is how many the body has; 1: it goes as a whole.
func (d *delivery) blocks() int {
	size := 16 << d.szx
	return max(1, (len(d.data)+size-1)/size)
}

// block is the one on its way.
func (d *delivery) block() block {
	return block{num: d.num, szx: d.szx, more: int(d.num)+1 < d.blocks()}
}

// fill implements exchanger: the POST [R-COAP.2, R-COAP.6].
func (d *delivery) fill(fx *effects, m *message.Message) {
	m.Code, m.Token, m.Payload = codes.POST, d.token[:], d.data
	opts := append(fx.opts[:0], d.dest.head...)
	opts = append(opts, d.replyTo)
	if d.blocks() > 1 || d.num > 0 {
		b := d.block()
		m.Payload = d.data[b.offset():min(b.offset()+b.size(), len(d.data))]
		opts = append(opts, fx.uintOption(message.Block1, b.value()))
		if d.num == 0 {
			opts = append(opts, fx.uintOption(message.Size1, uint32(len(d.data))))
		}
	}
	m.Options = opts
}

// acked implements exchanger: the answer will come separately.
func (d *delivery) acked(fx *effects) {
	n := d.link.n
	n.clock.arm(&d.timer, d, n.opts.ResponseTimeout)
	if !d.block().more {
		d.state = deliveryPending
		d.lane.shift(d, -1)
		d.lane.released(fx, d.link)
	}
}

// expire implements expirer: the separate response did not come.
func (d *delivery) expire(fx *effects) { d.finish(fx, mtp.ErrBusy) }

// reset implements exchanger: the peer cannot make sense of the message.
func (d *delivery) reset(fx *effects) { d.finish(fx, mtp.ErrBusy) }

// lost implements exchanger: nothing came back, which is a sign that nobody is
// there [R-COAP.9].
func (d *delivery) lost(fx *effects) {
	s := d.to.session
	d.lane.fail(fx, errUnreachable)
	if s != nil {
		s.n.endSession(fx, s) // the peer may have lost it; the next Record gets a new one
	}
}

// answered takes the response to the message on its way.
func (d *delivery) answered(fx *effects, m *message.Message) {
	d.link.hear()
	v, has := uintValue(m.Options, message.Block1)
	told, sent := blockOf(v), d.block()
	if has && told.num != sent.num {
		return // of a block before
	}
	d.ex.heard()
	d.ex.land()
	d.ex.n.clock.disarm(&d.timer)
	switch {
	case sent.more && (m.Code == codes.Continue || m.Code == codes.Changed && has):
		d.next(fx, sent, told, has)
	case m.Code == codes.Continue, sent.more && m.Code>>5 == 2:
		d.finish(fx, mtp.ErrBusy) // it has not taken the whole of it
	case m.Code == codes.RequestEntityIncomplete && d.again():
		d.restart(fx)
	case m.Code == codes.RequestEntityTooLarge && has && told.szx < d.szx && d.again():
		d.szx = told.szx // [RFC 7959 2.9.3]
		d.restart(fx)
	default:
		d.finish(fx, outcomeOf(m.Code)) // [R-COAP.10]
	}
}

// roundTrip is the peer's, if the Link has one peer.
func (d *delivery) roundTrip() *roundTrip {
	if d.link.shared {
		return nil
	}
	return &d.link.rtt
}

func (d *delivery) again() bool {
	d.restarts++
	return d.restarts <= maxRestarts
}

// next sends the block after sent; the peer may have asked for smaller ones.
func (d *delivery) next(fx *effects, sent, told block, has bool) {
	offset := sent.offset() + sent.size()
	if has && told.szx < d.szx {
		d.szx = told.szx
	}
	if d.blocks() > maxBlocks {
		d.finish(fx, mtp.ErrTooLarge)
		return
	}
	d.num = uint32(offset >> (d.szx + 4))
	d.link.n.launch(fx, &d.ex, d, d.to, d.roundTrip())
}

// finish ends the delivery with an outcome.
func (d *delivery) finish(fx *effects, err error) {
	if d.state == deliveryDone {
		return
	}
	d.detach()
	d.state, d.err = deliveryDone, err
	fx.links = append(fx.links, d.link)
	if d.lane != nil {
		d.lane.released(fx, d.link)
	}
}

// detach takes the delivery out of its lane, whatever its state.
func (d *delivery) detach() {
	d.forget()
	if d.lane != nil {
		d.lane.remove(d)
	}
}
