// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/uspgate/uspgate/internal/cluster"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
)

// counting is a Router's end that acknowledges and counts.
type counting struct {
	*house
	link  routing.NodeLink
	ready chan struct{}

	mu      sync.Mutex
	room    sync.Cond
	settled int
}

func (c *counting) NodeUp(_ string, l routing.NodeLink) (routing.NodePort, error) {
	c.link = l
	close(c.ready)
	return c, nil
}

func (c *counting) Accept(_ routing.Forward, t mtp.Token) { c.link.Ack(t, nil) }
func (c *counting) Down(error)                            {}
func (c *counting) Settled(mtp.Token, error) {
	c.mu.Lock()
	c.settled++
	c.mu.Unlock()
	c.room.Signal()
}

// BenchmarkLink forwards Records of 200 bytes to another node and waits for their
// outcomes, over a Bus in memory: what the Link itself costs.
func BenchmarkLink(b *testing.B) {
	world, hub := newWorld(), cluster.NewMemoryHub()
	ctx, cancel := context.WithCancel(b.Context())
	ends := map[string]*counting{}
	for _, name := range []string{"a", "b"} {
		n, err := cluster.New(ctx, cluster.Options{Name: name, Store: world.door(), Bus: hub.Bus()})
		if err != nil {
			b.Fatal(err)
		}
		c := &counting{house: &house{}, ready: make(chan struct{})}
		c.room.L = &c.mu
		ends[name] = c
		n.Attach(c)
		if err := n.Join(ctx); err != nil {
			b.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- n.Run(ctx) }()
		defer func() { <-ended }()
	}
	defer cancel()
	a := ends["a"]
	<-a.ready
	f := forward(1, make([]byte, 200))
	b.ReportAllocs()
	sent := 0
	for b.Loop() {
		for errors.Is(a.link.Forward(f, 1), mtp.ErrFull) {
			a.mu.Lock()
			for sent-a.settled > cluster.DefaultWindowRecords/2 {
				a.room.Wait()
			}
			a.mu.Unlock()
		}
		sent++
	}
	a.mu.Lock()
	for a.settled < sent {
		a.room.Wait()
	}
	a.mu.Unlock()
}
