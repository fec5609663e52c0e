// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package peerstest

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/usp"
)

// claimOfWhatNobodyOwns: it is the claimant's, all see it, and what is done under an
// older fence has no effect.
func claimOfWhatNobodyOwns(t *testing.T, o *town) {
	t.Helper()
	a, b := o.join("a"), o.join("b")
	x := address("1")
	if own := a.Owner(x); own != (routing.Ownership{}) {
		t.Errorf("Owner before: got %+v, want nobody", own)
	}
	own := a.mustClaim(x, nil)
	if got := a.Owner(x); !got.Mine || got.Fence != own.Fence {
		t.Errorf("Owner at a: got %+v, want %+v", got, own)
	}
	b.sees(x, own)
	if got := b.Owner(x); got.Mine || !got.Alive {
		t.Errorf("Owner at b: got %+v, want a, alive", got)
	}
	if _, err := b.claim(x, nil); !errors.Is(err, routing.ErrKept) {
		t.Errorf("Claim without a Session: got %v, want ErrKept", err)
	}
	again := a.mustClaim(x, nil)
	if again.Fence <= own.Fence {
		t.Errorf("Claim by the owner: got fence %d after %d, want a new one", again.Fence, own.Fence)
	}
	info := routing.Info{
		State: routing.Online, Up: true, Direct: true, Home: true, MTP: mtp.WebSocket, Listener: "ws", Leg: 7,
	}
	a.Announce(x, own.Fence, routing.Info{Listener: "void"})
	a.Announce(x, again.Fence, routing.Info{Listener: "first"})
	a.Announce(x, again.Fence, info)
	eventually(t, "b sees what a announces", func() bool { return b.Owner(x).Info == info })
	if got := b.Owner(x); got.Fence != again.Fence || got.Node != "a" {
		t.Errorf("after Announce: got %+v, want fence %d as before", got, again.Fence)
	}
	seen := map[usp.Address]routing.Ownership{}
	b.Each(func(a usp.Address, own routing.Ownership) { seen[a] = own })
	if len(seen) != 1 || seen[x] != b.Owner(x) {
		t.Errorf("Each: got %+v, want %v alone", seen, x)
	}
	a.Release(x, own.Fence)
	b.Release(x, again.Fence)
	a.mustClaim(address("2"), nil) // what came before has been done
	if got := a.Owner(x); !got.Mine {
		t.Errorf("Owner after Release by another fence, and by another node: got %+v, want a", got)
	}
	a.Release(x, again.Fence)
	for _, n := range []*node{a, b} {
		eventually(t, "nobody owns it", func() bool { return n.Owner(x) == routing.Ownership{} })
	}
	if own := b.mustClaim(x, nil); own.Fence <= again.Fence {
		t.Errorf("Claim after Release: got fence %d after %d, want a greater one", own.Fence, again.Fence)
	}
}

// claimFromOneThatLives: the owner is asked, and its answer is what the claimant hears.
func claimFromOneThatLives(t *testing.T, o *town) {
	t.Helper()
	a, b := o.join("a"), o.join("b")
	x := address("1")
	own := a.mustClaim(x, proven())
	b.sees(x, own)
	for _, want := range []error{routing.ErrKept, mtp.ErrForbidden, mtp.ErrBusy, nil} {
		a.onDisown(func(got usp.Address, fence uint64, by routing.Session, done func(error)) {
			if got != x || fence != own.Fence || by != *proven() {
				t.Errorf("Disown: got %v, %d, %+v, want %v, %d, %+v", got, fence, by, x, own.Fence, *proven())
			}
			if want != nil {
				done(fmt.Errorf("wrapped: %w", want))
				return
			}
			done(nil)
		})
		got, err := b.claim(x, proven())
		if !errors.Is(err, want) {
			t.Fatalf("Claim: got %v, want %v", err, want)
		}
		if mine := a.Owner(x).Mine; mine != (want != nil) {
			t.Errorf("after %v: got Mine %v at the one who had it", want, mine)
		}
		if want != nil {
			continue
		}
		if !got.Mine || got.Fence <= own.Fence {
			t.Errorf("Claim: got %+v, want it with a fence above %d", got, own.Fence)
		}
		a.sees(x, got)
		a.Announce(x, own.Fence, routing.Info{Listener: "void"})
		a.Release(x, own.Fence)
		a.mustClaim(address("2"), nil) // what came before has been done
		if now := b.Owner(x); !now.Mine || now.Info.Listener != "" {
			t.Errorf("what the former owner does: got %+v, want no effect", now)
		}
	}
}

// claimsRace: of those who claim an address at a time one gets it; each fence is one
// node's, once, and all know in the end whose the address is.
func claimsRace(t *testing.T, o *town) {
	t.Helper()
	nodes := []*node{o.join("a"), o.join("b"), o.join("c")}
	const addresses, rounds = 10, 5
	var mu sync.Mutex
	type key struct {
		a     usp.Address
		fence uint64
	}
	fences := map[key]string{}
	var all sync.WaitGroup
	for i := range addresses {
		for _, n := range nodes {
			all.Go(func() {
				last := uint64(0)
				for range rounds {
					x := address(strconv.Itoa(i))
					own, err := n.claim(x, proven())
					if err != nil {
						continue
					}
					if own.Fence <= last {
						t.Errorf("%s: got fence %d after %d", n.name, own.Fence, last)
					}
					last = own.Fence
					mu.Lock()
					if who := fences[key{x, own.Fence}]; who != "" {
						t.Errorf("fence %d is %s's and %s's", own.Fence, who, n.name)
					}
					fences[key{x, own.Fence}] = n.name
					mu.Unlock()
				}
			})
		}
	}
	all.Wait()
	for i := range addresses {
		x := address(strconv.Itoa(i))
		eventually(t, "all agree", func() bool {
			own, mine := nodes[0].Owner(x), 0
			for _, n := range nodes {
				got := n.Owner(x)
				if got.Fence != own.Fence || got.Node != own.Node {
					return false
				}
				if got.Mine {
					mine++
				}
			}
			return mine <= 1 && fences[key{x, own.Fence}] == own.Node && own.Node != ""
		})
		for k, who := range fences {
			if own := nodes[0].Owner(x); k.a == x && k.fence > own.Fence {
				t.Errorf("fence %d is newer than the owner's, and %s's", k.fence, who)
			}
		}
	}
}

// givenUpForOneWhoDies: what was given up, and nobody has taken, may be taken back.
func givenUpForOneWhoDies(t *testing.T, o *town) {
	t.Helper()
	a, b := o.join("a"), o.join("b")
	x := address("1")
	own := a.mustClaim(x, proven())
	b.sees(x, own)
	given := make(chan struct{})
	a.onDisown(func(_ usp.Address, _ uint64, _ routing.Session, done func(error)) {
		b.kill()
		done(nil)
		close(given)
	})
	b.begin(x, proven())
	<-given
	if got := a.Owner(x); got.Mine {
		t.Errorf("Owner once it was given up: got %+v, want not Mine", got)
	}
	again := a.mustClaim(x, proven())
	if again.Fence <= own.Fence {
		t.Errorf("Claim: got fence %d after %d, want a new one", again.Fence, own.Fence)
	}
}
