// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
)

// Exclusive returns t as a Transport that one node of the cluster runs at a time:
// a client role, whose other side would take two connections of it for two peers,
// or one for the newer of the other. The first node to come runs it, the others
// stand by and take over once that one's life is over or its Run has ended. Those
// of its Links that are shared are Links of the same Transport at the nodes that
// stand by, too: with Peer.Node set, what is enqueued on them leaves at the node
// that runs it, and what comes in is routed there.
//
// If t is an mtp.Representer the result is one: it represents the same Endpoints
// at every node, as whoever takes over has to know them.
func (n *Node) Exclusive(t mtp.Transport) mtp.Transport {
	e := &exclusive{Transport: t, n: n}
	if r, ok := t.(mtp.Representer); ok {
		return &exclusiveRepresenter{e, r}
	}
	return e
}

type exclusive struct {
	mtp.Transport

	n *Node
}

type exclusiveRepresenter struct {
	*exclusive
	mtp.Representer
}

// exclusiveAgain is the pause after the Store could not be asked, or while this
// node has no lease.
const exclusiveAgain = 250 * time.Millisecond

// Run implements mtp.Transport.
func (e *exclusive) Run(ctx context.Context, h mtp.Handler) error {
	bell := make(chan struct{}, 1)
	stop := e.n.owners.watchBinding(e.Name(), bell)
	defer stop()
	log := e.n.log.With(zap.String("transport", e.Name()))
	for ctx.Err() == nil {
		l := e.n.alive()
		if l == nil {
			pause(ctx, exclusiveAgain)
			continue
		}
		by, err := e.n.owners.takeBinding(ctx, l, e.Name())
		switch {
		case err != nil && ctx.Err() == nil:
			log.Warn("cannot tell which node runs a transport", zap.Error(err))
			pause(ctx, exclusiveAgain)
		case err != nil:
		case by.node == e.n.o.Name && by.epoch == l.epoch:
			log.Info("this node runs the transport")
			if err := e.hold(ctx, l, h, bell); err != nil {
				return err
			}
		default:
			log.Info("another node runs the transport", zap.String("peer", by.node))
			e.standBy(ctx, l, by, h, bell)
		}
	}
	return nil
}

// hold runs the Transport while this life has it. An error is that of the
// Transport, which has failed for good.
func (e *exclusive) hold(ctx context.Context, l *life, h mtp.Handler, bell <-chan struct{}) error {
	running, stop := context.WithCancel(ctx)
	defer stop()
	unhook := context.AfterFunc(l.ctx, stop) //nolint:contextcheck // that of the life
	defer unhook()
	ended := make(chan error, 1)
	b := e.n.shared.hold(e.Name())
	go func() { ended <- e.Transport.Run(running, &sharedHandler{b, h}) }()
	for {
		select {
		case <-bell:
			if by := e.n.owners.bindingHolder(e.Name()); by == nil || by.node != e.n.o.Name || by.epoch != l.epoch {
				stop()
			}
			continue
		case err := <-ended:
			over := running.Err() != nil
			e.n.shared.drop(b)
			e.giveUp(l) //nolint:contextcheck // ctx has ended
			if over {
				return nil
			}
			return err //nolint:wrapcheck // that of the Transport
		}
	}
}

// giveUp lets another node take over at once.
func (e *exclusive) giveUp(l *life) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), storeTimeout)
	defer cancel()
	if l.ctx.Err() != nil {
		return // nothing of that life counts any more
	}
	if err := e.n.owners.dropBinding(ctx, l, e.Name()); err != nil {
		e.n.log.Warn("a transport could not be given up", zap.String("transport", e.Name()), zap.Error(err))
	}
}

// standBy offers the Links of the node that runs the Transport, until that does
// not any more or this node's life is over.
func (e *exclusive) standBy(ctx context.Context, l *life, by *holder, h mtp.Handler, bell <-chan struct{}) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	unhook := context.AfterFunc(l.ctx, stop) //nolint:contextcheck // that of the life
	defer unhook()
	mirrored := make(chan struct{})
	go func() {
		defer close(mirrored)
		e.n.shared.mirror(ctx, l, e.Name(), by, h)
	}()
	for ctx.Err() == nil {
		select {
		case <-bell:
			if now := e.n.owners.bindingHolder(e.Name()); now != by {
				stop()
			}
		case <-ctx.Done():
		}
	}
	<-mirrored
}
