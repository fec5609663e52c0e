// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
)

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
