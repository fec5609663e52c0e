// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package mtp is the contract between carriers of USP Records (the Message
// Transfer Protocols in its subfolders) and whoever routes them.
//
// A carrier implements Transport and Link; the router implements Handler and
// Port. A Link and its Port are the two ends of one connection to the router:
//
//	peer  ── Record ──▶ Link ── Port.Accept(rec, token) ──▶ router
//	peer  ◀── ack ───── Link ◀──── Link.Ack(token) ──────── router
//	router ── Link.Enqueue(rec, token) ──▶ Link ── Record ──▶ peer
//	router ◀── Port.Settled(token) ─────── Link ◀── ack ──── peer
//
// Acceptance and outcome are two events: a Link goes on reading after Accept
// and learns by token, later, that the Record was delivered or durably kept;
// only then does it acknowledge to its peer.
//
// The package knows no concrete MTP, no routing, no translation, no storage.
package mtp

import (
	"context"
	"crypto/x509"
	"errors"
	"time"

	"github.com/uspgate/uspgate/usp"
)

// Outcomes. A carrier turns each into its own wire answer by a table in its
// reply.go; everything else that reaches a carrier counts as ErrBusy.
var (
	// ErrMalformed: the Record does not parse.
	ErrMalformed = usp.ErrMalformed
	// ErrForbidden: the Link may not send as this from_id, or not to this to_id.
	ErrForbidden = errors.New("mtp: forbidden")
	// ErrUnroutable: nobody is known by this to_id.
	ErrUnroutable = errors.New("mtp: no route to the Endpoint")
	// ErrBusy: not now; the peer may send the Record again.
	ErrBusy = errors.New("mtp: busy")
	// ErrTooLarge: the Record is larger than the egress MTP carries.
	ErrTooLarge = errors.New("mtp: Record too large")
	// ErrFull: Enqueue found the Link's queue full. At least one token is
	// outstanding then, so a Settled will follow that makes room.
	ErrFull = errors.New("mtp: queue full")
	// ErrLinkDown: the Link is gone, or went before the Record was delivered.
	ErrLinkDown = errors.New("mtp: link down")
	// ErrReplaced is the cause of Close for a Link whose Endpoint has opened a
	// newer one to the same counterpart [R-WS.4].
	ErrReplaced = errors.New("mtp: replaced by a newer session of the same Endpoint")
	// ErrDraining is the cause of Close when the process shuts down.
	ErrDraining = errors.New("mtp: shutting down")
)

// Token names one Record between a Link and its Port. The side that hands the
// Record over chooses it; the other side only returns it. The two directions
// have token spaces of their own.
type Token uint64

// Kind is the MTP, spelt as in metrics and configuration.
type Kind string

// The kinds.
const (
	WebSocket Kind = "websocket"
	MQTT      Kind = "mqtt"
	STOMP     Kind = "stomp"
	CoAP      Kind = "coap"
	UDS       Kind = "uds"
	// Virtual is the kind of Links that end in this process.
	Virtual Kind = "virtual"
)

// Transport is one configured binding of an MTP, in server or client role.
type Transport interface {
	// Name is the binding's name in the configuration.
	Name() string
	// Listen binds the sockets of a server, so that port 0 becomes known and
	// privileges can be dropped before Run. A client role does nothing.
	Listen(ctx context.Context) error
	// Addr is the bound address after Listen, host:port or a path; for a
	// client role the URL it connects to.
	Addr() string
	// Run serves until ctx ends or the transport fails for good. When it
	// returns every Link is down and none of its goroutines is alive.
	Run(ctx context.Context, h Handler) error
}

// Link is a way to reach one or many Endpoints now. All methods are safe for
// concurrent use and none of them blocks; they may be called before
// Handler.LinkUp has returned, and do not call Port.Accept from within.
type Link interface {
	// Enqueue takes rec for delivery, in the order of the calls. On nil the
	// Link owes exactly one Port.Settled(t); it may call it before Enqueue
	// returns. ErrFull and ErrLinkDown mean that the Record was not taken.
	Enqueue(rec usp.Record, hint Hint, t Token) error
	// Ack tells the outcome of a Record given to Port.Accept: nil is delivered
	// or durably kept. It is called once per token, in any order; where the
	// protocol wants an order the Link restores it.
	Ack(t Token, err error)
	// Close asks the Link to end its connection for cause, after what is
	// queued has been written or a deadline has passed. Port.Down follows.
	// After ErrReplaced the newer session waits for it.
	Close(cause error)
}

// Connector is a Link whose MTP has Connect Records [R-MTP.6]. CoAP has none.
type Connector interface {
	// ConnectRecord makes the Connect Record of this Link's MTP, by which the
	// Agent from shows itself to the Controller to.
	ConnectRecord(from, to usp.EndpointID) usp.Record
}

// Representer is a Link or Transport on whose far side the Endpoints of this
// gateway have a name each that somebody has to listen on: an MQTT topic, a
// STOMP destination, a connection of their own. Both methods are safe for
// concurrent use, do not block, and may be repeated.
type Representer interface {
	// Represent makes a reachable from the far side until Withdraw.
	Represent(a usp.Address)
	Withdraw(a usp.Address)
}

// Handler is what a Transport reports to; routing implements it.
type Handler interface {
	// LinkUp introduces a Link whose peer has been authenticated as p and
	// returns the router's end of it. An error refuses the Link; the carrier
	// closes the connection in its own way and calls nothing else.
	LinkUp(l Link, p Peer) (Port, error)
}

// Port is the router's end of one Link. Accept is called by one goroutine at
// a time; the other methods are safe for concurrent use.
type Port interface {
	// Bind says that the Endpoint can be reached over this Link, with hint as
	// default for Records to it. A second Bind of the same address replaces
	// the hint. ErrForbidden if the Peer's identity does not allow it.
	Bind(a usp.Address, hint Hint) error
	// Unbind takes a Bind back.
	Unbind(a usp.Address)
	// Presence tells by a sign of the MTP other than a Record, a will for
	// example, that an Endpoint behind a shared Link is there or has gone. What
	// it says holds until the next Record or Presence of the Endpoint.
	Presence(a usp.Address, present bool)
	// Accept hands over a Record from the peer, whose bytes are immutable and
	// belong to the router from now on. It blocks only while the Link's window
	// is full, see Releaser. Link.Ack(t) follows exactly once, possibly before Accept returns.
	Accept(rec usp.Record, hint Hint, t Token)
	// Settled tells the outcome of a Record given to Link.Enqueue.
	Settled(t Token, err error)
	// Down ends the Link. The carrier has settled every token before, those of
	// undelivered Records with ErrLinkDown in the order of their Enqueue, and
	// calls nothing on the Port afterwards. Ack may still be called by the
	// router for a while and is ignored. A nil cause, or ErrDraining, is an
	// orderly end: nothing that was written can have been lost.
	Down(cause error)
}

// Releaser is a Port whose Accept may block for long: where MaxHold is long and
// the peer can not be told to send again, the Link is not to be read while there
// is no room. Release has Accept not block any more; what is accepted after it
// and finds no room is given up. A Link whose end has been decided calls it, from
// any goroutine and possibly more than once, so that its reader comes to the end.
type Releaser interface{ Release() }

// Release calls p.Release if p is a Releaser.
func Release(p Port) {
	if r, ok := p.(Releaser); ok {
		r.Release()
	}
}

// Peer is what a carrier knows of the other side when a Link comes up.
type Peer struct {
	Kind     Kind
	Listener string // Transport.Name
	Remote   string // address, for logs
	// Loopback is true if both ends are on this host.
	Loopback bool
	// Protected is true if nobody between the two ends can read or change what goes over
	// the Link: it is encrypted, or is a Unix domain socket.
	Protected bool
	// Endpoint is the peer's Endpoint ID, empty while unknown: the first
	// accepted Record's from_id decides then, if Identity allows it.
	Endpoint usp.EndpointID
	// Role is the peer's role, RoleUnknown where the carrier cannot tell.
	Role usp.Role
	// Presents, if not empty, is the one Endpoint that this Link shows to the
	// peer: only Records from it are sent, only Records to it are accepted.
	Presents usp.EndpointID
	// Identity is who the peer proved to be.
	Identity Identity
	// Shared is true for a Link over which many Endpoints speak (a broker, a
	// trunk): its Records bind nobody to the Link but by Bind.
	Shared bool
	// NoConnectRecords withholds Connect Records made by the router from this
	// peer: some Controllers cannot cope with them.
	NoConnectRecords bool
	// MaxRecord is the largest Record in bytes that the peer takes; 0: no limit.
	MaxRecord int
	// Order ranks the Links by which an Endpoint is reached, like the parameter
	// Order of Controller.{i}.MTP.{i}.: the lowest that is up is used, and of
	// equal ones the newest.
	Order int
	// MaxHold is how long a Record waits for room in the buffer, unacknowledged and
	// in its place, before Ack says ErrBusy; 0: as the router is configured,
	// negative: not at all.
	MaxHold time.Duration
	// Acks says that the peer hears of every outcome, or of every success, and may
	// send again what it was not told is kept. Where it does not, and is one
	// Endpoint, the router takes nothing more from the Link while too much is held.
	Acks bool
	// Node, if not empty, is another node of this gateway that holds the
	// connection of a shared Link and is represented by it here: Records are
	// enqueued on it, and come from it at that node only.
	Node string
}

// Identity is the authenticated identity of a peer; it bounds the from_id that
// its Link may send [R-SEC.4c].
type Identity struct {
	// Method is how it was proved: "none", "password", "certificate" or
	// "handshake" (claimed by an unauthenticated handshake).
	Method string
	// IDs are the Endpoint IDs that the Link may speak for. Empty together
	// with Any: the one ID that the first Record or handshake claims.
	IDs []usp.EndpointID
	// Patterns are Endpoint IDs in which * stands for any characters, that the
	// Link may speak for as well: a trunk's, by configuration.
	Patterns []string
	// Any lets the Link speak for whomever it likes (trunks, by configuration).
	Any bool
	// Chain is the verified chain of the certificate that the peer has shown, its own
	// first, if its Endpoint IDs come from there. Nobody may change it.
	Chain []*x509.Certificate
	// Name is who was authenticated, a user name or the subject of a
	// certificate: for logs, and for limits per identity. Empty: nobody was.
	Name string
}

// Hint is what an MTP needs, or gives, beside the bytes of a Record. The zero
// Hint is always acceptable.
type Hint struct {
	// Destination, for Enqueue and Bind: where in the Link's MTP to send
	// (an MQTT topic, a STOMP destination). Empty: the Link's own peer.
	Destination string
	// ReplyTo, from Accept: where the sender of this Record wants the answer
	// (MQTT Response Topic, reply-to-dest, CoAP reply-to), empty if that is where
	// everything else for it goes. The router keeps it
	// per request and gives it back as Destination of the answer. It never
	// crosses to another Link.
	ReplyTo string
}
