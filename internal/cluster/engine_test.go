// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/uspgate/uspgate/internal/cluster"
	"github.com/uspgate/uspgate/internal/engine"
	"github.com/uspgate/uspgate/internal/engine/enginetest"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/usp"
)

// onEngine makes nodes on a cluster of NATS servers.
func onEngine(tb testing.TB, nats *enginetest.Cluster, names ...string) []*house {
	tb.Helper()
	var list []*house
	for _, name := range names {
		e, err := engine.Open(tb.Context(), engine.Options{URL: nats.URL(), Replicas: 3})
		if err != nil {
			tb.Fatalf("Open: got %v, want nil", err)
		}
		tb.Cleanup(e.Close)
		n, err := cluster.New(tb.Context(), cluster.Options{Name: name, Store: e.Store(), Bus: e.Bus()})
		if err != nil {
			tb.Fatalf("New: got %v, want nil", err)
		}
		h := &house{Node: n, changed: map[usp.Address]int{}, ups: map[string]int{}}
		n.Attach(h)
		if err := n.Join(tb.Context()); err != nil {
			tb.Fatalf("Join: got %v, want nil", err)
		}
		ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
		ended := make(chan error, 1)
		go func() { ended <- n.Run(ctx) }()
		tb.Cleanup(func() {
			cancel()
			if err := <-ended; err != nil {
				tb.Errorf("Run of %s: got %v, want nil", name, err)
			}
		})
		list = append(list, h)
	}
	return list
}

// On three NATS servers: each address has one owner whatever races, and while a
// server goes away and comes back no node loses its lease.
func TestOnThreeServers(t *testing.T) {
	t.Parallel()
	nats := enginetest.New(t, 3)
	nodes := onEngine(t, nats, "a", "b", "c")
	for _, h := range nodes {
		eventually(t, "ready", func() bool { return h.Ready() == nil && len(h.Nodes()) == 3 })
	}
	eventually(t, "linked", func() bool { return nodes[0].links("b") == 1 && nodes[2].links("b") == 1 })
	var mu sync.Mutex
	fences := map[uint64]string{}
	round := func(addresses int) {
		var all sync.WaitGroup
		for i := range addresses {
			for _, h := range nodes {
				all.Go(func() {
					own, err := h.claim(t, agent(i), direct)
					if err != nil {
						return
					}
					mu.Lock()
					defer mu.Unlock()
					if who := fences[own.Fence]; who != "" {
						t.Errorf("fence %d is %s's and %s's", own.Fence, who, h.Name())
					}
					fences[own.Fence] = h.Name()
				})
			}
		}
		all.Wait()
	}
	const addresses = 30
	round(addresses)
	leader := max(0, nats.Leader())
	nats.Kill(leader)
	round(addresses)
	nats.Start(leader)
	nats.WaitReady()
	round(addresses)
	for i := range addresses {
		eventually(t, "one owns it", func() bool {
			_, err := nodes[i%3].claim(t, agent(i), direct)
			return err == nil || errors.Is(err, routing.ErrKept)
		})
		eventually(t, "all agree", func() bool {
			own := nodes[0].Peers().Owner(agent(i))
			for _, h := range nodes[1:] {
				if got := h.Peers().Owner(agent(i)); got.Fence != own.Fence || got.Node != own.Node {
					return false
				}
			}
			return own.Node != "" && own.Alive
		})
	}
	for _, h := range nodes {
		if n := h.fenced(); n != 0 {
			t.Errorf("%s lost its lease %d times, want never", h.Name(), n)
		}
	}
}

// BenchmarkClaim is how long it takes a node to claim and announce 1000 addresses at
// a time, on three NATS servers with three copies, in this process.
func BenchmarkClaim(b *testing.B) {
	h := onEngine(b, enginetest.New(b, 3), "a")[0]
	for h.Ready() != nil {
		select {
		case <-b.Context().Done():
			b.Fatal("no lease")
		default:
		}
	}
	const at = 1000
	i := 0
	for b.Loop() {
		var all sync.WaitGroup
		for range at {
			a := usp.Address{ID: usp.EndpointID(fmt.Sprintf("os::00D09E-%d", i)), Role: usp.RoleAgent}
			i++
			all.Add(1)
			h.Peers().Claim(a, nil, func(own routing.Ownership, err error) {
				if err != nil {
					b.Errorf("Claim: got %v, want nil", err)
				}
				h.Peers().Announce(a, own.Fence, routing.Info{State: routing.Online, Up: true, MTP: mtp.MQTT})
				all.Done()
			})
		}
		all.Wait()
	}
	b.ReportMetric(float64(i)/b.Elapsed().Seconds(), "claims/s")
}
