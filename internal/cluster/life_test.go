// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"sync"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/cluster"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
)

// slow is a Router that takes its time with what ends.
type slow struct {
	*house

	lost, down       chan struct{} // PeersLost waits for the one, Down of a Link for the other
	letLost, letDown func()        // end that
}

func (s *slow) PeersLost() {
	s.house.PeersLost()
	<-s.lost
}

func (s *slow) NodeUp(node string, l routing.NodeLink) (routing.NodePort, error) {
	p, err := s.house.NodeUp(node, l)
	return &slowPort{p.(*housePort), s.down}, err
}

type slowPort struct {
	*housePort

	wait chan struct{}
}

func (p *slowPort) Settled(mtp.Token, error) {}
func (p *slowPort) Down(cause error) {
	<-p.wait
	p.housePort.Down(cause)
}

func startSlow(o *town, name string, change func(*cluster.Options)) *slow {
	o.t.Helper()
	s := &slow{lost: make(chan struct{}), down: make(chan struct{})}
	o.startWith(name, change, func(h *house) routing.PeerHandler {
		s.house = h
		return s
	})
	s.letLost = sync.OnceFunc(func() { close(s.lost) })
	s.letDown = sync.OnceFunc(func() { close(s.down) })
	o.t.Cleanup(s.letLost)
	o.t.Cleanup(s.letDown)
	return s
}

// stays has f be true for as long as a node would take that does not wait.
func stays(t *testing.T, what string, f func() bool) {
	t.Helper()
	end := time.After(500 * time.Millisecond)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		if !f() {
			t.Fatalf("%s: not for long", what)
		}
		select {
		case <-tick.C:
		case <-end:
			return
		}
	}
}

// A node whose lease was lost takes no new one, with which the others would see that they
// may have what it owned, before its Router knows.
func TestNewLifeAfterPeersLost(t *testing.T) {
	t.Parallel()
	o := newTown(t)
	o.lease = 5 * cluster.MinLease
	a, b := startSlow(o, "a", nil), o.start("b", nil)
	a.letDown()
	x := agent(1)
	own, err := a.claim(t, x, direct)
	if err != nil {
		t.Fatalf("got %v, want nil", err)
	}
	eventually(t, "b sees it", func() bool { return b.Peers().Owner(x).Fence == own.Fence })
	a.door.setShut(true)
	eventually(t, "a has lost its lease", func() bool { return a.fenced() == 1 })
	a.door.setShut(false)
	stays(t, "b does not see that the lease is over", func() bool {
		return a.Ready() != nil && b.Peers().Owner(x).Alive && !b.sawDead("a")
	})
	a.letLost()
	eventually(t, "a is back", func() bool { return a.Ready() == nil && b.sawDead("a") })
	if own := b.Peers().Owner(x); own.Alive {
		t.Errorf("Owner: got %+v, want it dead", own)
	}
}

// The Link to a node, of whichever of its lives, comes up once the one before is down.
func TestOneLinkToANode(t *testing.T) {
	t.Parallel()
	for _, names := range [][2]string{{"a", "b"}, {"b", "a"}} { // the first by name makes the Link
		t.Run(names[0], func(t *testing.T) {
			t.Parallel()
			o := newTown(t)
			waits, other := startSlow(o, names[0], nil), o.start(names[1], nil)
			name := other.Name()
			eventually(t, "linked", func() bool { return waits.links(name) == 1 })
			other.stop()
			eventually(t, "the other has gone", func() bool { return waits.sawDead(name) })
			again := o.start(name, nil)
			stays(t, "the old Link is not down", func() bool { return waits.links(name) == 1 })
			waits.letDown()
			eventually(t, "linked again", func() bool { return waits.links(name) == 1 && again.links(names[0]) == 1 })
		})
	}
}
