// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package peerstest

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/usp"
)

// Suite is an implementation of routing.Peers to be tested by Run.
type Suite struct {
	// New makes what nodes share. It ends with the test.
	New func(t *testing.T) Net
}

// Net makes nodes. Join returns once the lease of the node holds, and links it with the
// others soon after; a name that was killed, and that the others have seen dead, may join
// again.
type Net interface {
	Join(t *testing.T, name string, h routing.PeerHandler) Member
}

// Member is one node.
type Member struct {
	routing.Peers

	// Kill ends its process without a word: nothing that it does has any effect any
	// more. What its handler hears from then on does not count.
	Kill func()
	// Expire has its lease run out while its process lives, which ends with Renew.
	Expire, Renew func()
	// Late has what it claims be carried out, and the answers not come, until it is called
	// with false. nil: they can not be kept back.
	Late func(late bool)
}

// Run tests what the comments of routing.Peers, PeerHandler and NodeLink promise.
func Run(t *testing.T, s Suite) {
	t.Helper()
	for name, f := range map[string]func(*testing.T, *town){
		"ClaimOfWhatNobodyOwns": claimOfWhatNobodyOwns, "ClaimFromOneThatLives": claimFromOneThatLives,
		"ClaimsRace": claimsRace, "GivenUpForOneWhoDies": givenUpForOneWhoDies,
		"Death": death, "LostLease": lostLease, "Restart": restart, "LateAnswer": lateAnswer,
		"LinkCarries": linkCarries, "LinkOutcomes": linkOutcomes, "LinkWindow": linkWindow, "LinkDown": linkDown,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, &town{t: t, net: s.New(t)})
		})
	}
}

// town is the nodes of one test.
type town struct {
	t   *testing.T
	net Net
}

// join makes a node.
func (o *town) join(name string) *node {
	o.t.Helper()
	n := &node{
		t: o.t, name: name, ups: make(chan *link, 64), links: make(map[string]*link),
		fences: make(map[uint64]bool), given: make(map[uint64]bool),
	}
	n.Member = o.net.Join(o.t, name, n)
	if got := n.Node(); got != name {
		o.t.Errorf("Node: got %q, want %q", got, name)
	}
	return n
}

// node is a node with the Router's part, which looks that what it is told may be.
type node struct {
	Member

	t    *testing.T
	name string
	ups  chan *link

	mu     sync.Mutex
	killed bool
	links  map[string]*link // that are up, by the other node
	dead   []string
	lost   int
	fences map[uint64]bool // by which a claim has succeeded
	given  map[uint64]bool // that were given up
	// disown answers Disown; nil: it is given up.
	disown func(a usp.Address, fence uint64, by routing.Session, done func(error))
}

func (n *node) kill() {
	n.mu.Lock()
	n.killed = true
	n.mu.Unlock()
	n.Kill()
}

// wrong is what must not happen.
func (n *node) wrong(format string, args ...any) {
	n.t.Helper()
	n.mu.Lock()
	killed := n.killed
	n.mu.Unlock()
	if !killed {
		n.t.Errorf(n.name+": "+format, args...)
	}
}

func (n *node) NodeUp(other string, l routing.NodeLink) (routing.NodePort, error) {
	n.mu.Lock()
	was := n.links[other]
	up := &link{n: n, other: other, NodeLink: l}
	n.links[other] = up
	n.mu.Unlock()
	if was != nil {
		n.wrong("NodeUp of %s before Down of the Link before", other)
	}
	n.ups <- up
	return up, nil
}

func (n *node) NodeDead(other string) {
	n.mu.Lock()
	n.dead = append(n.dead, other)
	n.mu.Unlock()
	n.Each(func(a usp.Address, own routing.Ownership) {
		if own.Node == other && own.Alive && other != n.name && !n.linked(other) {
			n.wrong("NodeDead of %s, who owns %v and is alive: %+v", other, a, own)
		}
	})
}

func (n *node) Disown(a usp.Address, fence uint64, by routing.Session, done func(error)) {
	n.mu.Lock()
	f, known := n.disown, n.fences[fence]
	n.mu.Unlock()
	if !known {
		n.wrong("Disown of %v by fence %d, of which no claim has told", a, fence)
	}
	if f == nil {
		f = func(_ usp.Address, _ uint64, _ routing.Session, done func(error)) { done(nil) }
	}
	go f(a, fence, by, func(err error) {
		was := n.Owner(a)
		n.mu.Lock()
		given := n.given[fence] // to another one who has asked
		n.given[fence] = given || err == nil
		n.mu.Unlock()
		if was.Fence == fence && was.Alive && !was.Mine && !given {
			n.wrong("Owner of %v before Disown is answered: got %+v, want Mine", a, was)
		}
		done(err)
		if is := n.Owner(a); err == nil && is.Fence == fence && is.Mine {
			n.wrong("Owner of %v after it was given up: got %+v, want not Mine", a, is)
		}
	})
}

func (n *node) OwnerChanged(usp.Address) {}

func (n *node) PeersLost() {
	n.Each(func(a usp.Address, own routing.Ownership) {
		if own.Mine {
			n.wrong("PeersLost, and %v is Mine: %+v", a, own)
		}
	})
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lost++
}

func (n *node) onDisown(f func(a usp.Address, fence uint64, by routing.Session, done func(error))) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.disown = f
}

func (n *node) linked(other string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.links[other] != nil
}

func (n *node) sawDead(other string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Contains(n.dead, other)
}

func (n *node) hasLost() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.lost > 0
}

// claimed is how a claim has ended.
type claimed struct {
	own routing.Ownership
	err error
}

// begin claims, and returns where the outcome comes.
func (n *node) begin(a usp.Address, by *routing.Session) <-chan claimed {
	c := make(chan claimed, 1)
	var once sync.Once
	n.Claim(a, by, func(own routing.Ownership, err error) {
		if err == nil {
			n.mu.Lock()
			n.fences[own.Fence] = true
			n.mu.Unlock()
		}
		first := false
		once.Do(func() { first = true })
		if !first {
			n.wrong("done of a Claim of %v was called twice", a)
			return
		}
		c <- claimed{own, err}
	})
	return c
}

// claim waits for the outcome.
func (n *node) claim(a usp.Address, by *routing.Session) (routing.Ownership, error) {
	n.t.Helper()
	return outcome(n.t, n.begin(a, by))
}

func outcome(t *testing.T, c <-chan claimed) (routing.Ownership, error) {
	t.Helper()
	select {
	case x := <-c:
		return x.own, x.err
	case <-time.After(patience):
		t.Fatal("Claim: done has not been called in time")
		return routing.Ownership{}, nil
	}
}

// mustClaim claims until it succeeds: an error says not now.
func (n *node) mustClaim(a usp.Address, by *routing.Session) routing.Ownership {
	n.t.Helper()
	var own routing.Ownership
	eventually(n.t, n.name+" gets "+a.String(), func() (ok bool) {
		var err error
		own, err = n.claim(a, by)
		return err == nil
	})
	if !own.Alive || own.Node != n.name || own.Fence == 0 {
		n.t.Fatalf("%s: claimed: got %+v, want its own", n.name, own)
	}
	return own
}

// sees waits until the owner of a is as the others see it.
func (n *node) sees(a usp.Address, own routing.Ownership) {
	n.t.Helper()
	eventually(n.t, n.name+" sees whose "+a.String()+" is", func() bool {
		got := n.Owner(a)
		return got.Node == own.Node && got.Fence == own.Fence
	})
}

// patience bounds everything that is waited for.
const patience = 30 * time.Second

// eventually polls until f is true.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: has not happened in time", what)
		}
		<-tick.C
	}
}

func address(id string) usp.Address {
	return usp.Address{ID: usp.EndpointID("os::00D09E-" + id), Role: usp.RoleAgent}
}

// proven is the Session of the Endpoint itself.
func proven() *routing.Session {
	return &routing.Session{Kind: mtp.WebSocket, Order: 3, Proven: true, Presents: "self::controller"}
}
