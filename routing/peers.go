// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"errors"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// ErrMoved is the outcome of a Record that another node does not take because
// it does not own the address, or not by the fence that the Record was sent
// under. It never reaches a carrier: the Router keeps the Record in its place and
// finds the owner anew.
var ErrMoved = errors.New("routing: another node owns the address")

// ErrKept refuses a Claim: the owner is alive and keeps the address, because it
// has a Link that is preferred to the claimant's, or nobody asked it to give way
// to a Session. Not a fault: the claimant stands by.
var ErrKept = errors.New("routing: the owner keeps the address")

// Peers divides the addresses among the Routers of several nodes. An address has
// one owner at a time; only the owner uses its local Links and the Queue's lanes
// of it. The other nodes forward Records to the owner over a NodeLink. Routing
// does not elect anybody: an implementation does, by leases and compare-and-set
// of a store that all nodes share. peerstest has one in memory, and the suite.
//
// All methods are safe for concurrent use, answer from memory or return at once,
// and call neither a PeerHandler nor done from within: the Router may hold locks.
type Peers interface {
	// Node is the name of this node, never empty.
	Node() string
	// Owner says who owns a as far as this node knows; the zero Ownership is
	// nobody. It may be stale: fences make that harmless.
	Owner(a usp.Address) Ownership
	// Each calls f for every address that is owned, by whomever, in no order.
	Each(f func(a usp.Address, o Ownership))
	// Claim asks for a and calls done exactly once, within a bounded time:
	//
	//   - nobody owns a, or its owner is dead: this node becomes the owner;
	//   - this node owns it, or has given it up and nobody has taken it: it
	//     becomes the owner, with a new Fence;
	//   - another node that is alive owns it and by is nil: done(ErrKept);
	//   - and by is not nil: the owner's PeerHandler.Disown is called. Once it
	//     has given up, this node becomes the owner; its error comes back as it
	//     is (ErrKept, mtp.ErrForbidden, mtp.ErrBusy).
	//
	// On nil, Ownership is ours and has the Fence; done is called before Disown is
	// with that Fence. Any other error means not now: the Router asks again after a
	// pause. Of two claims that race one succeeds. A node whose lease has run out
	// is refused until it has a new one. The Router has at most MaxClaims of
	// Options under way.
	Claim(a usp.Address, by *Session, done func(Ownership, error))
	// Release gives a up if this node owns it by that fence: nobody owns it
	// then, and it is forgotten. The Router does not use it any more.
	Release(a usp.Address, fence uint64)
	// Announce publishes what there is to know of an address that this node owns
	// by fence. Of several of one address the last counts, and may be all that
	// the others see. Info changes with a Link of the Endpoint, not with Records.
	Announce(a usp.Address, fence uint64, info Info)
}

// Ownership is who owns an address.
type Ownership struct {
	Node string // empty: nobody
	// Fence is a number greater than that of every earlier claim of the address,
	// by whomever. It does not change with Announce. Never 0 if Node is set.
	Fence uint64
	// Mine: this node is the owner, its lease holds, and it has not been asked to
	// give the address up. Alive: the lease of Node holds.
	Mine, Alive bool
	Info        Info
}

// Info is what the owner tells the other nodes of an address.
type Info struct {
	State Presence
	// Up: the owner has a Link by which it is reached. Direct: the Endpoint itself
	// is at the other end of it. Home: a Link of it was here, as opposed to a
	// static route with a pattern.
	Up, Direct, Home bool
	// MTP, Listener and Shared are those of the Link in use, or of the last one.
	MTP      mtp.Kind
	Listener string
	Shared   bool
	// Leg changes whenever the Endpoint comes up on a Link anew: then Connect
	// Records are due.
	Leg uint32
}

// Session is the Link on the strength of which a node claims an address from an
// owner that is alive: the newest authenticated one wins, as on one node.
type Session struct {
	Kind mtp.Kind
	// Order is Peer.Order of the Link.
	Order int
	// Proven: more than a claim says that the peer is the Endpoint.
	Proven bool
	Shared bool
	// Standby: the Link was there before; it is offered because the owner seems
	// to have none. The owner keeps the address if it has one after all.
	Standby bool
	// Presents is the Endpoint that the Link shows to the peer, see Peer.Presents.
	Presents usp.EndpointID
}

// PeerHandler is what Peers reports to; Router implements it. Its methods return
// at once, may be called from any goroutine, one at a time per address, and may
// call Peers.
type PeerHandler interface {
	// NodeUp introduces a Link to another node. There is at most one at a time per
	// node, and per life of that node's process: Down of the old comes before
	// NodeUp of the new.
	NodeUp(node string, l NodeLink) (NodePort, error)
	// NodeDead tells that the lease of a node has run out: Owner says Alive false
	// for all that it owned. No OwnerChanged is needed for these.
	NodeDead(node string)
	// Disown asks to give up an address that this node owns by fence to a node
	// with such a Link. done is called exactly once, within HandOver and a little:
	// nil when neither Links nor the Queue are used for it any more, ErrKept or
	// mtp.ErrForbidden if it is not given up. From the call on Owner(a).Mine has
	// to stay as it is, and turn false before done returns if done got nil. A
	// fence that is not the Router's is done at once.
	Disown(a usp.Address, fence uint64, by Session, done func(error))
	// OwnerChanged tells that Owner(a) says something else than before, Info
	// included.
	OwnerChanged(a usp.Address)
	// PeersLost tells that the lease of this node itself has run out: whatever it
	// owned it does not own any more. The Router stops using everything, keeps
	// what is not acknowledged in memory, and claims anew.
	PeersLost()
}

// Forward is one Record on its way from the node where it was accepted to the
// owner of its target. What is not in it does not cross: reply addresses are kept
// at the node where the Link is.
type Forward struct {
	// To is the address, whose ID may be another than to_id (an alias). The owner
	// takes the Record only if it owns To by Fence.
	To    usp.Address
	Fence uint64
	// Record, immutable. A Connect Record says only that the Agent has to do with
	// the Controller; the owner makes one for the Controller's MTP [R-MTP.8].
	Record usp.Record
	// Signed: the Agent signs its Connect Records, so none can be made.
	Signed bool
	// Hint and Via are as those of buffer.Item, Trunk too.
	Hint  mtp.Hint
	Via   string
	Trunk string
	// Sealed: its Message must not be looked into [R-SEC.4c].
	Sealed bool
	// Leg is Info.Leg of the sender as the sending node knows it; 0: it does not.
	Leg uint32
	// Age is how long ago the Record was accepted.
	Age time.Duration
}

// NodeLink is a way to one other node: an ordered, bounded channel in each
// direction. It is like an mtp.Link; the same rules hold: no method blocks, and
// all are safe for concurrent use.
//
// The other Router gets Forwards in the order of the calls, without a gap: once
// one is lost the Link is down, and every token that is left is settled with
// mtp.ErrLinkDown in order. What belongs to a Link that is down is not given to
// the other Router any more once a new Link between the two nodes is up.
type NodeLink interface {
	// Forward takes f. On nil the Link owes one NodePort.Settled(t): with the
	// error that the other Router gave to Ack (its class: nil, ErrMoved, or one of
	// mtp's), or mtp.ErrLinkDown if that is not known. mtp.ErrFull: at least one
	// token is outstanding, so that a Settled makes room. mtp.ErrLinkDown: gone.
	Forward(f Forward, t mtp.Token) error
	// Ack answers a Forward given to NodePort.Accept, once per token, in any
	// order: nil is delivered or durably kept. After Down it is ignored.
	Ack(t mtp.Token, err error)
}

// NodePort is the Router's end of a NodeLink. Accept is called by one goroutine
// at a time; the other methods are safe for concurrent use.
type NodePort interface {
	// Accept hands over what the other node forwards. The sender was checked
	// there and is trusted. It blocks while the window is full, which other
	// Links cannot make last: what waits for a slow Endpoint goes to the buffer.
	Accept(f Forward, t mtp.Token)
	// Settled tells the outcome of a Forward.
	Settled(t mtp.Token, err error)
	// Down ends the Link, after every token has been settled. Nothing is called
	// afterwards.
	Down(cause error)
}
