// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/cluster"
	"github.com/uspgate/uspgate/usp"
)

func TestNodesSeeEachOther(t *testing.T) {
	t.Parallel()
	o := newTown(t)
	a, b := o.start("a", nil), o.start("b", nil)
	eventually(t, "both see two", func() bool { return len(a.Nodes()) == 2 && len(b.Nodes()) == 2 })
	eventually(t, "they are linked", func() bool { return a.links("b") == 1 && b.links("a") == 1 })
	if err := a.Ready(); err != nil {
		t.Errorf("Ready: got %v, want nil", err)
	}
	begin := time.Now()
	b.stop()
	eventually(t, "a sees b go", func() bool { return len(a.Nodes()) == 1 && a.sawDead("b") && a.links("b") == 0 })
	if took := time.Since(begin); took > o.lease/2 {
		t.Errorf("a node that leaves was seen to after %v, want at once", took)
	}
	b = o.start("b", nil)
	eventually(t, "b is back", func() bool { return a.links("b") == 1 && b.links("a") == 1 })
}

func TestNameTaken(t *testing.T) {
	t.Parallel()
	o := newTown(t)
	o.start("a", nil)
	options, _, _ := o.options("a")
	n, err := cluster.New(t.Context(), options)
	if err != nil {
		t.Fatalf("New: got %v, want nil", err)
	}
	err = n.Join(t.Context())
	if !errors.Is(err, cluster.ErrNameTaken) {
		t.Errorf("Join: got %v, want ErrNameTaken", err)
	}
	t.Log(err)
}

// A process that was killed does not keep its successor from its name for longer
// than its lease.
func TestJoinAfterKill(t *testing.T) {
	t.Parallel()
	o := newTown(t)
	options, _, _ := o.options("a")
	killed, err := cluster.New(t.Context(), options)
	if err != nil {
		t.Fatalf("New: got %v, want nil", err)
	}
	if err := killed.Join(t.Context()); err != nil {
		t.Fatalf("Join: got %v, want nil", err)
	}
	begin := time.Now()
	o.start("a", nil)
	if took := time.Since(begin); took > o.lease+time.Second {
		t.Errorf("got the name after %v, want %v or little more", took, o.lease)
	}
}

// A process that knows that the one before it has ended does not wait for its lease.
func TestJoinAfterCertainEnd(t *testing.T) {
	t.Parallel()
	o := newTown(t)
	var instance string
	options, _, _ := o.options("a")
	options.Remember = func(i string) error {
		instance = i
		return nil
	}
	killed, err := cluster.New(t.Context(), options)
	if err != nil {
		t.Fatalf("New: got %v, want nil", err)
	}
	if err := killed.Join(t.Context()); err != nil {
		t.Fatalf("Join: got %v, want nil", err)
	}
	begin := time.Now()
	o.start("a", func(options *cluster.Options) { options.Previous = instance })
	if took := time.Since(begin); took > o.lease/2 {
		t.Errorf("got the name after %v, want it at once", took)
	}
}

// A node that is cut off gives up before the others take what it had.
func TestFence(t *testing.T) {
	t.Parallel()
	o := newTown(t)
	a, b := o.start("a", nil), o.start("b", nil)
	x := agent(1)
	own, err := a.claim(t, x, direct)
	if err != nil {
		t.Fatalf("got %v, want nil", err)
	}
	eventually(t, "b sees it", func() bool { return b.Peers().Owner(x).Fence == own.Fence })
	a.door.setShut(true)
	o.hub.Cut(a.bus, true)
	var fencedFirst bool
	eventually(t, "b sees a die", func() bool {
		mine := a.Peers().Owner(x).Mine // before
		if b.sawDead("a") {
			fencedFirst = !mine
			return true
		}
		return false
	})
	if !fencedFirst {
		t.Error("a still held what b may take")
	}
	if a.fenced() != 1 || a.Ready() == nil {
		t.Errorf("a was told %d times that all is lost, ready %v, want once and not ready", a.fenced(), a.Ready())
	}
	got, err := b.claim(t, x, nil)
	if err != nil || got.Fence <= own.Fence {
		t.Fatalf("b: got %+v, %v, want it", got, err)
	}
	if _, err := a.claim(t, agent(2), nil); err == nil {
		t.Error("a claims without a lease: got nil, want an error")
	}
	a.door.setShut(false)
	o.hub.Cut(a.bus, false)
	eventually(t, "a is back", func() bool { return a.Ready() == nil && a.Peers().Owner(x).Node == "b" })
	eventually(t, "linked again", func() bool { return a.links("b") == 1 && b.links("a") == 1 })
	if _, err := a.claim(t, x, direct); err != nil {
		t.Errorf("a claims it from b: got %v, want nil", err)
	}
}

// A Bus that loses what it is given ends the Link; the next one is up soon.
func TestLinkIsMadeAnew(t *testing.T) {
	t.Parallel()
	o := newTown(t)
	a, b := o.start("a", nil), o.start("b", nil)
	eventually(t, "linked", func() bool { return a.links("b") == 1 && b.links("a") == 1 })
	o.hub.Cut(b.bus, true)
	time.AfterFunc(50*time.Millisecond, func() { o.hub.Cut(b.bus, false) })
	eventually(t, "linked", func() bool { return a.links("b") == 1 && b.links("a") == 1 })
}

func TestAdopt(t *testing.T) {
	t.Parallel()
	const agents = 60
	o := newTown(t)
	var mu sync.Mutex
	adopted := map[string]int{}
	calls := map[string]int{}
	// with has the node claim all that is its, but not at the first call.
	with := func(name string, h **house) func(*cluster.Options) {
		return func(options *cluster.Options) {
			options.Adopt = func(_ context.Context, mine func(usp.Address) bool) error {
				for i := range agents {
					if !mine(agent(i)) || i%3 == 0 {
						continue
					}
					mu.Lock()
					calls[name]++
					first := calls[name] == 1
					mu.Unlock()
					if first {
						return errors.New("not now")
					}
					if _, err := (*h).claim(t, agent(i), direct); err != nil {
						return err
					}
					mu.Lock()
					adopted[name]++
					mu.Unlock()
				}
				return nil
			}
		}
	}
	var lost []usp.Address
	a := o.start("a", func(options *cluster.Options) {
		options.Lost = func(x usp.Address) {
			mu.Lock()
			defer mu.Unlock()
			lost = append(lost, x)
		}
	})
	for i := range agents {
		if _, err := a.claim(t, agent(i), nil); err != nil {
			t.Fatalf("got %v, want nil", err)
		}
	}
	var b, c *house
	b = o.start("b", with("b", &b))
	c = o.start("c", with("c", &c))
	eventually(t, "c sees all", func() bool { return c.Peers().Owner(agent(agents-1)).Node == "a" })
	a.door.setShut(true)
	eventually(t, "all are adopted", func() bool {
		for i := range agents {
			if own := b.Peers().Owner(agent(i)); i%3 != 0 && (own.Node == "a" || !own.Alive) {
				return false
			}
		}
		return true
	})
	mu.Lock()
	if adopted["b"] < agents/6 || adopted["c"] < agents/6 {
		t.Errorf("adopted: got %v, want them spread", adopted)
	}
	mu.Unlock()
	if own := b.Peers().Owner(agent(0)); own.Node != "a" {
		t.Errorf("one that is not adopted: got %+v, want it as it was", own)
	}
	a.door.setShut(false)
	eventually(t, "a hears what it has lost", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(lost) == agents*2/3
	})
}
