// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

// Defaults of Options.
const (
	DefaultWindowRecords    = 1024
	DefaultWindowBytes      = 8 << 20
	DefaultSpillAfter       = 100 * time.Millisecond
	DefaultRetryAfter       = time.Second
	DefaultMaxHold          = 2 * time.Second
	DefaultHoldRecords      = 16_384
	DefaultHoldBytes        = 64 << 20
	DefaultDrainRecords     = 256
	DefaultDrainBytes       = 1 << 20
	DefaultDrainWorkers     = 8
	DefaultMaxEndpoints     = 1_000_000
	DefaultMaxPairs         = 1_000_000
	DefaultLearnPerLink     = 1024
	DefaultReplyToRecords   = 65_536
	DefaultReplyToTTL       = 10 * time.Minute
	DefaultRedeliverRecords = 16

	DefaultPresenceGrace       = 10 * time.Second
	DefaultForgetAfter         = 30 * 24 * time.Hour
	DefaultMaxLinksPerEndpoint = 8

	DefaultHandOver     = 2 * time.Second
	DefaultClaimWait    = 5 * time.Second
	DefaultClaimWorkers = 16
	DefaultMaxClaims    = 1024
)

// Policy decides whether the peer p may send the Record with header h, whose
// sender and target have been worked out as from and to; it is asked after the
// peer's identity has been checked, for every Record, Connect Records
// included. A nil error allows; any other is wrapped in mtp.ErrForbidden for
// the peer. It must neither block nor keep h.
type Policy func(p *mtp.Peer, from, to usp.Address, h *usp.Header) error

// Options configure a Router. The zero value is usable.
type Options struct {
	// Buffer keeps Records for Endpoints that are not there. nil: a
	// buffer.Memory with its defaults.
	Buffer buffer.Queue
	// Known are Endpoints that were at home here before, in a process that has
	// ended: Records for them wait. New reads it.
	Known []usp.Address
	// Policy, if not nil, may refuse Records beyond the rules of the package.
	Policy Policy
	// Admit, if not nil, may refuse that a Link reaches an Endpoint in a role:
	// that somebody becomes a Controller, say. Like Policy it must not block.
	// The role is unknown while the Link has not shown it; Admit is asked again
	// once it has.
	Admit func(p *mtp.Peer, a usp.Address) error
	// Peers, if not nil, divides the addresses among several nodes. nil: all are
	// this node's.
	Peers Peers
	// HandOver is how long an address that goes to another node is held until
	// what is under way on its Links has settled; what has been kept in the
	// buffer by then may come twice. Default 2 s.
	HandOver time.Duration
	// ClaimWait is how long a Record waits, unacknowledged, for its address to
	// have an owner; then its sender hears ErrBusy. Default 5 s.
	ClaimWait time.Duration
	// ClaimWorkers is how many addresses at a time are looked after, and acquired
	// from the Buffer; MaxClaims, how many claims are under way. Defaults 16 and
	// 1024.
	ClaimWorkers, MaxClaims int
	// Routes, Rules and Aliases are as given to SetRoutes, SetRules and
	// SetAliases.
	Routes  []Route
	Rules   []Rule
	Aliases []Alias
	// Log gets one line per event of a Link or the buffer; nil: none.
	Log *zap.Logger
	// Metrics gets the metrics listed in metrics.go; nil: none.
	Metrics prometheus.Registerer

	// WindowRecords and WindowBytes bound the Records of one inbound Link that
	// wait for their outcome; Accept blocks beyond. A single Record larger than
	// WindowBytes passes alone. Defaults 1024 and 8 MiB.
	WindowRecords int
	WindowBytes   int64
	// SpillAfter is how long a Record may be under way on a Link before it and
	// everything after it for that address is kept in the buffer, which frees
	// the sender. Default 100 ms.
	SpillAfter time.Duration
	// RetryAfter is the pause after the buffer failed or a peer was busy.
	// Default 1 s.
	RetryAfter time.Duration
	// MaxHold is how long a Record for which the buffer has no room waits for it,
	// unacknowledged, before its sender hears ErrBusy, where the Link does not say
	// so itself (Peer.MaxHold). Default 2 s; negative: not at all.
	MaxHold time.Duration
	// HoldRecords and HoldBytes bound what is held of all Links, beside one Record
	// of each that the router has stopped reading. A quarter of its window is the
	// bound for one Link, an eighth that for one address over one shared by many, and
	// for one Agent.
	// Defaults 16,384 and 64 MiB.
	HoldRecords int
	HoldBytes   int64
	// DrainRecords and DrainBytes bound the Records of one address that are
	// read from the buffer and under way at a time. Defaults 256 and 1 MiB.
	DrainRecords int
	DrainBytes   int64
	// DrainWorkers is how many goroutines at most read from the buffer. None
	// of them ever waits for a peer. Default 8.
	DrainWorkers int

	// MaxEndpoints bounds the table. Beyond it, addresses that are offline and
	// have nothing waiting make room; if there is none, new ones are refused
	// with ErrBusy. Default 1,000,000.
	MaxEndpoints int
	// MaxPairs bounds the (Agent, Controller) pairs remembered for Connect
	// Records, over all Controllers. Default 1,000,000.
	MaxPairs int
	// LearnPerLink bounds the addresses that one Link may teach by the from_id
	// of its Records (not by Bind). Default 1024.
	LearnPerLink int
	// MaxLinksPerEndpoint bounds the Links by which one Endpoint is reached, per
	// counterpart where it has Links for each; those by a static route do not
	// count. More are refused with ErrBusy. Default 8.
	MaxLinksPerEndpoint int
	// MaxLinksPerIdentity bounds the Links of one Identity.Name; more are refused
	// with ErrBusy. 0: no bound.
	MaxLinksPerIdentity int
	// ForgetAfter is how long an address has to be away before it is forgotten,
	// if nothing waits for it and no route names it alone; over a shared Link,
	// how long it has to be silent after it was heard. Default 30 days.
	ForgetAfter time.Duration
	// PresenceGrace is how long watchers are not told that an Endpoint has gone
	// whose last Link was lost: one that is back by then was never away. After
	// an orderly end they are told at once. Default 10 s; negative: none.
	PresenceGrace time.Duration

	// ReplyToRecords and ReplyToTTL bound the reply addresses kept per request.
	// Defaults 65,536 and 10 min.
	ReplyToRecords int
	ReplyToTTL     time.Duration
	// TrustedBrokers names the Transports of which no Message is looked into,
	// not even for its msg_id [R-SEC.4c]: the latest reply address of an
	// Endpoint is used there for everything that goes to it.
	TrustedBrokers []string

	// Redeliver, if not 0, keeps Records that were handed over on MTPs where
	// delivered only means flushed (WebSocket, STOMP, UDS) for so long, and
	// sends them again if the Link ends abnormally meanwhile: at least once
	// instead of at most once in the last moments of a connection. It covers
	// the last RedeliverRecords per address (default 16) relayed directly.
	Redeliver        time.Duration
	RedeliverRecords int
}

func (o *Options) setDefaults() error {
	for _, n := range []*int{
		&o.WindowRecords, &o.HoldRecords, &o.DrainRecords, &o.DrainWorkers, &o.MaxEndpoints, &o.MaxPairs,
		&o.ClaimWorkers, &o.MaxClaims, &o.LearnPerLink, &o.ReplyToRecords, &o.RedeliverRecords,
		&o.MaxLinksPerEndpoint, &o.MaxLinksPerIdentity,
	} {
		if *n < 0 {
			return errors.New("routing: a limit is negative")
		}
	}
	if o.WindowBytes < 0 || o.HoldBytes < 0 || o.DrainBytes < 0 ||
		min(o.SpillAfter, o.RetryAfter, o.ReplyToTTL, o.Redeliver, o.ForgetAfter, o.HandOver, o.ClaimWait) < 0 {
		return errors.New("routing: a limit is negative")
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	def(&o.WindowRecords, DefaultWindowRecords)
	def(&o.WindowBytes, DefaultWindowBytes)
	def(&o.SpillAfter, DefaultSpillAfter)
	def(&o.RetryAfter, DefaultRetryAfter)
	def(&o.MaxHold, DefaultMaxHold)
	def(&o.HoldRecords, DefaultHoldRecords)
	def(&o.HoldBytes, DefaultHoldBytes)
	def(&o.DrainRecords, DefaultDrainRecords)
	def(&o.DrainBytes, DefaultDrainBytes)
	def(&o.DrainWorkers, DefaultDrainWorkers)
	def(&o.MaxEndpoints, DefaultMaxEndpoints)
	def(&o.MaxPairs, DefaultMaxPairs)
	def(&o.LearnPerLink, DefaultLearnPerLink)
	def(&o.ReplyToRecords, DefaultReplyToRecords)
	def(&o.ReplyToTTL, DefaultReplyToTTL)
	def(&o.RedeliverRecords, DefaultRedeliverRecords)
	def(&o.PresenceGrace, DefaultPresenceGrace)
	def(&o.ForgetAfter, DefaultForgetAfter)
	def(&o.MaxLinksPerEndpoint, DefaultMaxLinksPerEndpoint)
	def(&o.HandOver, DefaultHandOver)
	def(&o.ClaimWait, DefaultClaimWait)
	def(&o.ClaimWorkers, DefaultClaimWorkers)
	def(&o.MaxClaims, DefaultMaxClaims)
	return nil
}

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
