// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"errors"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing/buffer"
)

// onStored handles the outcome of a Put.
func (l *lane) onStored(o *out, fx *effects) {
	l.puts--
	o.flags &^= flagPutting
	r := l.ep.r
	fx.pump = fx.pump || l.away != nil
	if o.putErr == nil {
		l.noteStored(o, fx)
	}
	if !o.has(flagFlying) {
		l.onPut(o, fx)
		return
	}
	l.copies--
	fx.pump = true
	if o.putErr != nil {
		l.bufferFailed("put", o.putErr)
	}
	switch {
	case o.putErr == nil:
		o.flags |= flagStored
		l.hold(o)
		l.sp.cursor = max(l.sp.cursor, o.seq) // it is not to be read again
		fx.ack(o, nil)
	case o.has(flagSettled): // delivered, or refused for good
		l.flight.remove(o)
		fx.ack(o, mtp.ErrBusy)
		r.free(o)
	default:
		o.flags |= flagRefused
	}
}

// onPut handles the outcome of a Put of what is not on a Link.
func (l *lane) onPut(o *out, fx *effects) {
	r := l.ep.r
	switch {
	case o.putErr == nil:
		l.sp.more = true
		fx.pump = fx.pump || l.link != nil || l.sorts() || !l.held.empty()
		fx.ack(o, nil)
		r.free(o)
	case o.in != nil && errors.Is(o.putErr, buffer.ErrFull):
		l.full(o, buffer.ErrFull, fx)
	default:
		l.bufferFailed("put", o.putErr)
		l.refuse(o, outcome(o.putErr), fx)
	}
}

// onSettled handles the outcome that the Link gave.
func (l *lane) onSettled(o *out, fx *effects) {
	r := l.ep.r
	if o.has(flagOrphan) {
		r.free(o)
		return
	}
	l.flying--
	o.flags |= flagSettled
	if o.has(flagMoving) {
		l.sp.sorting = false
	}
	if l.away != nil && !o.has(flagStored|flagPutting) {
		l.onAway(o, fx)
		return
	}
	if o.err == nil {
		if o.in != nil {
			r.metrics.relayed(r.now() - o.at)
			l.remember(o)
		}
	}
	again := o.err != nil && !permanent(o.err)
	if again {
		o.flags |= flagFailed
		if l.sp != nil {
			l.sp.failed = true
		}
	}
	switch {
	case o.has(flagStored):
		if o.err != nil && !again {
			r.metrics.dropped.Dropped(buffer.ReasonRefused, 1)
		}
		fx.pump = true
	case o.has(flagPutting):
		if !again {
			fx.ack(o, o.err)
		}
	case again && l.live && errors.Is(o.err, mtp.ErrLinkDown):
		l.spillRecent()
		l.spill(fx, true) // copies o, too
	default:
		l.flight.remove(o)
		fx.ack(o, outcome(o.err))
		r.free(o)
		fx.pump = fx.pump || !l.live
	}
}

// permanent tells the outcomes that a repetition would not change.
func permanent(err error) bool {
	return errors.Is(err, mtp.ErrTooLarge) || errors.Is(err, mtp.ErrForbidden) ||
		errors.Is(err, mtp.ErrMalformed) || errors.Is(err, mtp.ErrUnroutable)
}

// outcome is what the sender hears of what the receiver's Link said: that its
// own Link works it knows.
func outcome(err error) error {
	if err != nil && !permanent(err) {
		return mtp.ErrBusy
	}
	return err
}
