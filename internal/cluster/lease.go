// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/internal/store"
)

// lease is the value of a node's key in the Store.
type lease struct {
	// Epoch is the revision with which the lease was made; 0 in that revision
	// itself.
	Epoch uint64 `json:"epoch,omitempty"`
	// Instance tells two processes with one name apart.
	Instance string `json:"instance"`
	Since    int64  `json:"since"` // Unix time in seconds
}

func leaseKey(node string) string { return "node/" + node }

func parseLease(e store.Entry) (lease, error) {
	var l lease
	if err := json.Unmarshal(e.Value, &l); err != nil {
		return l, fmt.Errorf("cluster: lease %s: %w", e.Key, err)
	}
	if l.Epoch == 0 {
		l.Epoch = e.Revision
	}
	return l, nil
}

// fenceAfter is how long a node is sure of its lease without a renewal.
func (o *Options) fenceAfter() time.Duration { return o.Lease * 7 / 10 }

// renewEvery is the pause between two signs of life.
func (o *Options) renewEvery() time.Duration { return o.Lease / 10 }

// messageTimeout is how long a message of a stream may take to be answered, which
// the other side does at once.
func (o *Options) messageTimeout() time.Duration { return o.Lease / 4 }

// Join takes the lease. If a process of the same name has died without goodbye it
// waits for the end of that one's; if one lives the error is ErrNameTaken. Run is
// to follow before the lease has run out.
func (n *Node) Join(ctx context.Context) error { return n.acquire(ctx, true) }

// acquire takes a lease; wait says whether to wait for that of a process which
// may be dead.
func (n *Node) acquire(ctx context.Context, wait bool) error {
	n.attempts++
	instance := n.instance + strconv.Itoa(n.attempts)
	if n.o.Remember != nil {
		if err := n.o.Remember(instance); err != nil {
			return fmt.Errorf("cluster: lease: %w", err)
		}
	}
	deadline := time.Now().Add(n.o.Lease + n.o.Lease/5)
	var there uint64 // the revision of the lease in our way
	for {
		err := n.create(ctx, instance)
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
		e, err := n.leases.Get(ctx, leaseKey(n.o.Name))
		switch {
		case errors.Is(err, store.ErrNotFound):
			continue
		case err != nil:
			return fmt.Errorf("cluster: lease: %w", err)
		}
		held, err := parseLease(e)
		if err == nil && n.ours(held.Instance) {
			if err := n.leases.Delete(ctx, e.Key, e.Revision); err != nil {
				return fmt.Errorf("cluster: lease: %w", err)
			}
			continue
		}
		if there == 0 {
			there = e.Revision
			n.log.Info("a node of this name was there; waiting for the end of its lease")
		}
		if !wait || e.Revision != there || time.Now().After(deadline) {
			return fmt.Errorf("%w: %q; give this one another (engine.node)", ErrNameTaken, n.o.Name)
		}
		if !pause(ctx, n.o.Lease/20) {
			return fmt.Errorf("cluster: lease: %w", ctx.Err())
		}
	}
}

// ours reports whether a lease is of an earlier life of this process, or of one that it
// has not heard of, or of the process before.
func (n *Node) ours(instance string) bool {
	return strings.HasPrefix(instance, n.instance) || n.o.Previous != "" && instance == n.o.Previous
}

// create makes the lease, and a life with it.
func (n *Node) create(ctx context.Context, instance string) error {
	ctx, cancel := context.WithTimeout(ctx, n.o.fenceAfter())
	defer cancel()
	begin, since := n.now(), time.Now()
	value, err := json.Marshal(lease{Instance: instance, Since: since.Unix()})
	if err != nil {
		return fmt.Errorf("cluster: lease: %w", err)
	}
	revision, err := n.leases.Create(ctx, leaseKey(n.o.Name), value, n.o.Lease)
	if err != nil {
		return fmt.Errorf("cluster: lease: %w", err)
	}
	l := &life{epoch: revision, revision: revision, instance: instance, since: since}
	l.ctx, l.end = context.WithCancel(context.Background())
	l.deadline.Store(begin + int64(n.o.fenceAfter()))
	n.life.Store(l)
	return nil
}

// keep renews the lease until it can not, or ctx ends.
func (n *Node) keep(ctx context.Context, l *life) {
	every := n.o.renewEvery()
	value, err := json.Marshal(lease{Epoch: l.epoch, Instance: l.instance, Since: l.since.Unix()})
	if err != nil {
		return
	}
	wait := time.Duration(0) // at once: Join may have been a while ago
	for {
		left := time.Duration(l.deadline.Load() - n.now())
		if left <= 0 {
			return
		}
		if !pause2(ctx, l.ctx, min(wait, left)) {
			return
		}
		begin := n.now()
		if begin >= l.deadline.Load() {
			return
		}
		err := n.renew(ctx, l, value, time.Duration(l.deadline.Load()-begin))
		switch {
		case err == nil:
			l.deadline.Store(begin + int64(n.o.fenceAfter()))
			wait = every
		case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrNotFound):
			return
		case ctx.Err() != nil:
			return
		default:
			n.log.Warn("the lease was not renewed", zap.Error(err))
			wait = every / 4
		}
	}
}

// renew writes the lease once more.
func (n *Node) renew(ctx context.Context, l *life, value []byte, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, min(within, n.o.Lease/4))
	defer cancel()
	revision, err := n.leases.Update(ctx, leaseKey(n.o.Name), value, l.revision, n.o.Lease)
	if errors.Is(err, store.ErrConflict) {
		// An earlier renewal may have happened after all.
		e, getErr := n.leases.Get(ctx, leaseKey(n.o.Name))
		if getErr != nil {
			return getErr
		}
		if held, parseErr := parseLease(e); parseErr == nil && held.Instance == l.instance {
			revision, err = n.leases.Update(ctx, leaseKey(n.o.Name), value, e.Revision, n.o.Lease)
			if errors.Is(err, store.ErrConflict) { // a read may be behind
				err = store.ErrUnavailable
			}
		}
	}
	if err != nil {
		return err
	}
	l.revision = revision
	return nil
}

// pause2 is pause with two that may end it.
func pause2(a, b context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-a.Done():
		return false
	case <-b.Done():
		return false
	}
}
