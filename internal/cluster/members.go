// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"maps"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/internal/store"
	"github.com/uspgate/uspgate/routing"
)

// watchAgain is the pause after a watch has failed.
const watchAgain = 500 * time.Millisecond

// watchMembers keeps members as the Store has them.
func (n *Node) watchMembers(ctx context.Context) {
	for ctx.Err() == nil {
		there := make(map[string]bool)
		var newest uint64
		ready := false
		err := n.leases.Watch(ctx, leaseKey(""), func(e store.Entry) { //nolint:contextcheck // a dial has that of the life
			name := strings.TrimPrefix(e.Key, leaseKey(""))
			newest = max(newest, e.Revision)
			if !ready && !e.Deleted {
				there[name] = true
			}
			n.sawLease(name, e)
			if ready {
				n.sawUpTo(newest)
			}
		}, func() {
			ready = true
			n.onlyMembers(there)
			n.sawUpTo(newest)
		})
		if ctx.Err() == nil {
			n.log.Warn("watching the nodes is interrupted", zap.Error(err))
			pause(ctx, watchAgain)
		}
	}
}

// sawLease takes what the Store says of one node.
func (n *Node) sawLease(name string, e store.Entry) {
	var l lease
	if !e.Deleted {
		var err error
		if l, err = parseLease(e); err != nil {
			n.log.Warn("a lease does not parse", zap.Error(err))
			return
		}
	}
	n.mu.Lock()
	was, known := n.members[name]
	if e.Deleted {
		delete(n.members, name)
	} else {
		n.members[name] = member{epoch: l.Epoch, since: time.Unix(l.Since, 0)}
	}
	n.met.nodes.Set(float64(len(n.members)))
	n.mu.Unlock()
	if known && (e.Deleted || was.epoch != l.Epoch) {
		n.died(name, was.epoch)
	}
	if !e.Deleted && was.epoch != l.Epoch {
		n.came(name, l.Epoch)
	}
}

// sawUpTo notes that members is as the Store was at that revision: who is not in
// it and has an earlier epoch is dead.
func (n *Node) sawUpTo(revision uint64) {
	n.mu.Lock()
	n.seen = max(n.seen, revision)
	n.mu.Unlock()
	n.owners.judge()
}

// onlyMembers takes everybody else for dead.
func (n *Node) onlyMembers(there map[string]bool) {
	n.mu.Lock()
	gone := make(map[string]uint64)
	for name, m := range n.members {
		if !there[name] {
			gone[name] = m.epoch
			delete(n.members, name)
		}
	}
	n.met.nodes.Set(float64(len(n.members)))
	n.mu.Unlock()
	for name, epoch := range gone {
		n.died(name, epoch)
	}
}

// came begins with a node that lives from now on.
func (n *Node) came(name string, epoch uint64) {
	if name == n.o.Name {
		return
	}
	n.log.Info("a node has come", zap.String("peer", name), zap.Uint64("epoch", epoch))
	n.links.came(name, epoch)
}

// died ends with a node whose lease is gone.
func (n *Node) died(name string, epoch uint64) {
	if name == n.o.Name {
		if l := n.life.Load(); l != nil && l.epoch == epoch {
			l.end() // somebody has taken it
		}
		return
	}
	n.log.Info("a node has gone", zap.String("peer", name), zap.Uint64("epoch", epoch))
	n.links.gone(name, epoch)
	n.rpc.streams.end(address(name, epoch), errPeerGone)
	n.owners.judge()
	n.teller.post(func(h routing.PeerHandler) { h.NodeDead(name) })
	n.wakeAdopter()
}

// isDead reports that a node's life is certainly over: its lease was there and is
// not any more.
func (n *Node) isDead(name string, epoch uint64) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	m, lives := n.members[name]
	return n.seen >= epoch && (!lives || m.epoch != epoch)
}

// member returns a node that lives.
func (n *Node) member(name string) (member, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	m, ok := n.members[name]
	return m, ok
}

// living lists the nodes that live.
func (n *Node) living() map[string]member {
	n.mu.Lock()
	defer n.mu.Unlock()
	return maps.Clone(n.members)
}
