// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"fmt"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// errand is what the worker of a Link does next, without the lock.
type errand uint8

const (
	errandNone errand = iota
	errandIntroduce
	errandAccept
	errandEnd
)

// kick starts the worker if it does not run. It is called with the lock.
func (l *link) kick() {
	if l.working || l.state == linkGone {
		return
	}
	l.working = true
	l.n.wg.Go(l.work)
}

// work is the worker.
func (l *link) work() {
	for {
		what, r := l.next()
		switch what {
		case errandIntroduce:
			l.introduce()
		case errandAccept:
			l.accept(r)
		case errandEnd:
			l.end()
		case errandNone:
			return
		}
	}
}

// next decides what is to be done.
func (l *link) next() (errand, *request) {
	fx := l.n.begin()
	defer l.n.end(fx)
	switch {
	case l.state == linkGone:
		return errandNone, nil
	case l.port == nil:
		return errandIntroduce, nil
	case l.state == linkOpen && len(l.inbox) > 0:
		r := l.inbox[0]
		l.inbox[0] = nil
		if l.inbox = l.inbox[1:]; len(l.inbox) == 0 {
			l.inbox = nil
		}
		l.unsettled[r.ticket] = r
		l.n.held -= r.held
		return errandAccept, r
	case l.state == linkOpen:
	default:
		l.refuseInbox(fx, mtp.ErrBusy)
		owes := l.state == linkClosing && (l.records > 0 || len(l.unsettled) > 0)
		if !owes && len(l.out) == 0 && !l.settling {
			return errandEnd, nil
		}
	}
	l.working = false
	return errandNone, nil
}

// refuseInbox answers what has not been handed to the router.
func (l *link) refuseInbox(fx *effects, err error) {
	for _, r := range l.inbox {
		l.n.held -= r.held
		l.n.metrics.Received(err)
		r.settled(fx, err)
	}
	l.inbox = nil
}

// introduce has the router take the Link.
func (l *link) introduce() {
	var port mtp.Port
	err := guarded(func() (err error) {
		if err = l.n.role.identify(l); err != nil {
			return err
		}
		if port, err = l.n.handler.LinkUp(l, l.peer); err != nil {
			l.n.metrics.Rejected(mtp.RejectRouter)
		}
		return err
	})
	fx := l.n.begin()
	defer l.n.end(fx)
	if err != nil {
		l.refused(fx, err)
		return
	}
	l.port = port
	close(l.up)
	l.n.metrics.LinkUp()
	l.logger().Info("link up")
	if l.state == linkFailed {
		l.cancel(fx)
		return
	}
	if l.n.opts.Idle > 0 && l.state == linkOpen && l.n.role.expires(l) {
		l.n.clock.arm(&l.timer, l, l.n.opts.Idle)
	}
	for _, d := range l.out {
		if d.state == deliveryQueued {
			l.n.laneTo(d.dest).add(fx, d)
		}
	}
	fx.links = append(fx.links, l)
}

// refused forgets a Link that was never up: nothing is settled.
func (l *link) refused(fx *effects, err error) {
	l.state, l.cause = linkGone, fmt.Errorf("coap: link refused: %w", err)
	l.n.clock.disarm(&l.timer)
	l.refuseInbox(fx, err)
	l.out, l.records, l.bytes = nil, 0, 0
	l.n.role.gone(l)
	l.logger().Info("link refused", zap.Error(err))
	close(l.done)
}

// accept hands a Record to the router. Where the sender wants its answers is
// told by Bind if that has changed, so that the default needs no memory.
func (l *link) accept(r *request) {
	err := guarded(func() error {
		if r.rebind {
			a := usp.Address{ID: r.rec.Header().From, Role: l.peer.Role}
			if err := l.port.Bind(a, mtp.Hint{Destination: r.replyTo}); err != nil {
				l.Ack(r.ticket, err)
				return nil
			}
		}
		rec := r.rec
		l.port.Accept(rec, mtp.Hint{ReplyTo: r.replyTo}, r.ticket)
		return nil
	})
	if err != nil {
		fx := l.n.begin()
		defer l.n.end(fx)
		l.fail(fx, err)
	}
}

// end is the last thing that a Link does.
func (l *link) end() {
	l.port.Down(l.cause)
	l.n.metrics.LinkDown()
	l.logger().Info("link down", zap.Error(l.cause))
	fx := l.n.begin()
	defer l.n.end(fx)
	l.state = linkGone
	l.n.clock.disarm(&l.timer)
	for t, r := range l.unsettled {
		delete(l.unsettled, t)
		l.n.metrics.Received(mtp.ErrBusy)
		r.settled(fx, mtp.ErrBusy) // the peer may send it again
	}
	l.n.role.gone(l)
	close(l.done)
}

// guarded turns a panic into an error.
func guarded(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errPanic, p)
		}
	}()
	return f()
}
