// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/cluster"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/usp"
)

func TestClaimOfWhatNobodyOwns(t *testing.T) {
	t.Parallel()
	o := newTown(t)
	a, b := o.start("a", nil), o.start("b", nil)
	x := agent(1)
	own, err := a.claim(t, x, nil)
	if err != nil || !own.Mine || !own.Alive || own.Node != "a" || own.Fence == 0 {
		t.Fatalf("got %+v, %v, want it", own, err)
	}
	if got := a.Peers().Owner(x); got != own {
		t.Errorf("Owner at a: got %+v, want %+v", got, own)
	}
	eventually(t, "b sees it", func() bool { return b.Peers().Owner(x).Fence == own.Fence })
	if got := b.Peers().Owner(x); got.Node != "a" || got.Mine || !got.Alive {
		t.Errorf("Owner at b: got %+v, want a, alive", got)
	}
	if _, err := b.claim(t, x, nil); !errors.Is(err, routing.ErrKept) {
		t.Errorf("b without a Link: got %v, want ErrKept", err)
	}
	again, err := a.claim(t, x, nil)
	if err != nil || again.Fence <= own.Fence {
		t.Errorf("a once more: got %+v, %v, want a newer fence", again, err)
	}
	info := routing.Info{
		State: routing.Online, Up: true, Direct: true, Home: true, MTP: mtp.WebSocket, Listener: "ws", Leg: 7,
	}
	a.Peers().Announce(x, again.Fence, info)
	eventually(t, "b sees what a announces", func() bool { return b.Peers().Owner(x).Info == info })
	if got := b.Peers().Owner(x).Fence; got != again.Fence {
		t.Errorf("after Announce: got fence %d, want %d as before", got, again.Fence)
	}
	a.Peers().Release(x, own.Fence) // not by that fence
	a.Peers().Announce(x, own.Fence, routing.Info{})
	a.Peers().Release(x, again.Fence)
	eventually(t, "nobody owns it", func() bool {
		return b.Peers().Owner(x) == routing.Ownership{} && a.Peers().Owner(x) == routing.Ownership{}
	})
	if own, err := b.claim(t, x, nil); err != nil || own.Fence <= again.Fence {
		t.Errorf("b after Release: got %+v, %v, want it with a newer fence", own, err)
	}
}

func TestClaimFromOneThatLives(t *testing.T) {
	t.Parallel()
	o := newTown(t)
	a, b := o.start("a", nil), o.start("b", nil)
	x := agent(1)
	own, err := a.claim(t, x, direct)
	if err != nil {
		t.Fatalf("got %v, want nil", err)
	}
	eventually(t, "b sees it", func() bool { return b.Peers().Owner(x).Fence == own.Fence })
	for _, want := range []error{routing.ErrKept, mtp.ErrForbidden, mtp.ErrBusy} {
		a.mu.Lock()
		a.refuse = fmt.Errorf("wrapped: %w", want)
		a.mu.Unlock()
		if _, err := b.claim(t, x, direct); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
		if !a.Peers().Owner(x).Mine {
			t.Errorf("after %v it is not a's any more", want)
		}
	}
	a.mu.Lock()
	a.refuse = nil
	a.mu.Unlock()
	got, err := b.claim(t, x, direct)
	if err != nil || !got.Mine || got.Fence <= own.Fence {
		t.Fatalf("got %+v, %v, want it", got, err)
	}
	if a.Peers().Owner(x).Mine {
		t.Error("it is still a's")
	}
	eventually(t, "a sees who has it", func() bool { return a.Peers().Owner(x).Node == "b" })
}

// deaf is a Bus on which nobody is at a node that is called so.
type deaf struct {
	cluster.Bus

	to atomic.Pointer[string]
}

func (d *deaf) Send(node, service string, data []byte, timeout time.Duration, done func([]byte, error)) error {
	if to := d.to.Load(); to != nil && strings.HasPrefix(node, *to+".") {
		done(nil, cluster.ErrNoNode)
		return nil
	}
	return d.Bus.Send(node, service, data, timeout, done)
}

// Of an owner whose process has gone, and whose lease still runs, the Endpoint that
// has come here itself is taken over before that is over; nobody else is.
func TestEndpointComesFromOneWhoHasGone(t *testing.T) {
	t.Parallel()
	o := newTown(t)
	o.lease = 10 * cluster.MinLease
	a := o.start("a", nil)
	d := &deaf{}
	b := o.start("b", func(options *cluster.Options) {
		d.Bus = options.Bus
		options.Bus = d
	})
	for _, x := range []usp.Address{agent(1), agent(2)} {
		if _, err := a.claim(t, x, direct); err != nil {
			t.Fatalf("got %v, want nil", err)
		}
		eventually(t, "b sees it", func() bool { return b.Peers().Owner(x).Node == "a" })
	}
	name := "a"
	d.to.Store(&name)
	if _, err := b.claim(t, agent(1), direct); !errors.Is(err, mtp.ErrBusy) {
		t.Errorf("at once: got %v, want ErrBusy", err)
	}
	eventually(t, "b has it", func() bool { _, err := b.claim(t, agent(1), direct); return err == nil })
	for _, by := range []routing.Session{
		{Kind: mtp.WebSocket},
		{Kind: mtp.MQTT, Proven: true, Shared: true},
		{Kind: mtp.WebSocket, Proven: true, Standby: true},
	} {
		if _, err := b.claim(t, agent(2), &by); !errors.Is(err, mtp.ErrBusy) {
			t.Errorf("by %+v: got %v, want ErrBusy", by, err)
		}
	}
	if b.sawDead("a") {
		t.Error("the lease was over: the test shows nothing")
	}
	eventually(t, "a sees it", func() bool { return a.Peers().Owner(agent(1)).Node == "b" })
}

// Of two nodes that claim the same address at a time one gets it, with the
// newest fence, and both know in the end who.
func TestClaimsRace(t *testing.T) {
	t.Parallel()
	o := newTown(t)
	nodes := []*house{o.start("a", nil), o.start("b", nil), o.start("c", nil)}
	const addresses, rounds = 20, 10
	var mu sync.Mutex
	fences := map[uint64]string{}
	var all sync.WaitGroup
	for i := range addresses {
		for _, h := range nodes {
			all.Go(func() {
				for range rounds {
					own, err := h.claim(t, agent(i), direct)
					if err != nil {
						continue
					}
					mu.Lock()
					if who := fences[own.Fence]; who != "" {
						t.Errorf("fence %d is %s's and %s's", own.Fence, who, h.Name())
					}
					fences[own.Fence] = h.Name()
					mu.Unlock()
				}
			})
		}
	}
	all.Wait()
	if len(fences) < addresses {
		t.Errorf("%d claims succeeded, want at least %d", len(fences), addresses)
	}
	for i := range addresses {
		eventually(t, "all agree", func() bool {
			own := nodes[0].Peers().Owner(agent(i))
			for _, h := range nodes[1:] {
				if got := h.Peers().Owner(agent(i)); got.Fence != own.Fence || got.Node != own.Node {
					return false
				}
			}
			return own.Node != "" && fences[own.Fence] == own.Node
		})
	}
}
