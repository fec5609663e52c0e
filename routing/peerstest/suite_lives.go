// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package peerstest

import (
	"testing"

	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/usp"
)

// death: what a dead node owned is anybody's once its lease has run out, and not
// before.
func death(t *testing.T, o *town) {
	t.Helper()
	a, b, c := o.join("a"), o.join("b"), o.join("c")
	x := address("1")
	own := a.mustClaim(x, nil)
	b.sees(x, own)
	c.sees(x, own)
	a.kill()
	var got routing.Ownership
	eventually(t, "b gets it", func() bool {
		next, err := b.claim(x, nil)
		if err == nil {
			got = next
		}
		return err == nil
	})
	if got.Fence <= own.Fence {
		t.Errorf("Claim: got fence %d after %d, want a greater one", got.Fence, own.Fence)
	}
	c.sees(x, got)
	eventually(t, "all are told", func() bool { return b.sawDead("a") && c.sawDead("a") })
	for _, n := range []*node{b, c} {
		eventually(t, "the Link is down", func() bool { return !n.linked("a") })
	}
}

// lostLease: a node whose lease has run out owns nothing, before others do, and gets
// nothing until it has a new one, which brings nothing back.
func lostLease(t *testing.T, o *town) {
	t.Helper()
	a, b := o.join("a"), o.join("b")
	x, y := address("1"), address("2")
	own, kept := a.mustClaim(x, proven()), a.mustClaim(y, proven())
	b.sees(x, own)
	b.sees(y, kept)
	a.Expire()
	both := alone(t, []*node{a, b}, x)
	got := b.mustClaim(x, nil)
	if got.Fence <= own.Fence {
		t.Errorf("Claim: got fence %d after %d, want a greater one", got.Fence, own.Fence)
	}
	eventually(t, "a is told", a.hasLost)
	for _, z := range []usp.Address{x, y, address("3")} {
		if own, err := a.claim(z, proven()); err == nil {
			t.Errorf("Claim of %v without a lease: got %+v, want an error", z, own)
		}
	}
	a.Release(y, kept.Fence)
	a.Announce(y, kept.Fence, routing.Info{Listener: "void"})
	a.Renew()
	a.sees(x, got)
	again := a.mustClaim(y, nil)
	if again.Fence <= kept.Fence {
		t.Errorf("Claim with the new lease: got fence %d after %d, want a new one", again.Fence, kept.Fence)
	}
	b.sees(y, again)
	if info := b.Owner(y).Info; info.Listener != "" {
		t.Errorf("Announce of a lease that was lost: got %+v, want no effect", info)
	}
	eventually(t, "they are linked", func() bool { return a.linked("b") && b.linked("a") })
	a.mustClaim(x, proven())
	both()
}

// alone looks that at most one of the nodes has x at a time, until it is called.
func alone(t *testing.T, nodes []*node, x usp.Address) (end func()) {
	t.Helper()
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			for i, n := range nodes {
				first := n.Owner(x)
				for _, other := range nodes[i+1:] {
					// If the first still has it afterwards, both had it meanwhile.
					if has := other.Owner(x); first.Mine && has.Mine && n.Owner(x).Mine {
						t.Errorf("%s has %v by fence %d, and %s by %d", n.name, x, first.Fence, other.name, has.Fence)
					}
				}
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	return func() {
		close(stop)
		<-ended
	}
}

// restart: the next process of a node owns nothing that the one before it did, and is
// linked once the Link to that one is down.
func restart(t *testing.T, o *town) {
	t.Helper()
	a, b := o.join("a"), o.join("b")
	x := address("1")
	own := a.mustClaim(x, nil)
	b.sees(x, own)
	eventually(t, "they are linked", func() bool { return a.linked("b") && b.linked("a") })
	a.kill()
	eventually(t, "b sees it dead", func() bool { return b.sawDead("a") })
	if got := b.Owner(x); got.Alive {
		t.Errorf("Owner: got %+v, want it dead", got)
	}
	next := o.join("a")
	eventually(t, "it knows", func() bool { return next.Owner(x).Fence == own.Fence })
	if got := next.Owner(x); got.Mine || got.Alive {
		t.Errorf("Owner at the next process: got %+v, want it dead", got)
	}
	again := next.mustClaim(x, nil)
	if again.Fence <= own.Fence {
		t.Errorf("Claim: got fence %d after %d, want a new one", again.Fence, own.Fence)
	}
	b.sees(x, again)
	eventually(t, "they are linked", func() bool { return next.linked("b") && b.linked("a") })
}

// lateAnswer: a claim that is carried out, and whose answer comes after the lease, is
// nobody's hold on the address.
func lateAnswer(t *testing.T, o *town) {
	t.Helper()
	a, b := o.join("a"), o.join("b")
	if a.Late == nil {
		t.Skip("answers can not be kept back")
	}
	x := address("1")
	both := alone(t, []*node{a, b}, x)
	a.Late(true)
	late := a.begin(x, nil)
	eventually(t, "b sees the claim", func() bool { return b.Owner(x).Node == "a" })
	old := b.Owner(x)
	a.Expire()
	got := b.mustClaim(x, nil)
	if got.Fence <= old.Fence {
		t.Errorf("Claim: got fence %d after %d, want a greater one", got.Fence, old.Fence)
	}
	a.Renew()
	a.Late(false)
	if own, err := outcome(t, late); err == nil && own.Fence >= got.Fence {
		t.Errorf("the late claim: got fence %d, want none that is newer than %d", own.Fence, got.Fence)
	}
	a.sees(x, got)
	if !b.Owner(x).Mine {
		t.Errorf("Owner at b: got %+v, want Mine", b.Owner(x))
	}
	both()
}
