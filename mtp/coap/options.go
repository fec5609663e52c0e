// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// Defaults of the options. Those of the transmission are of [RFC 7252 4.8].
const (
	DefaultPath             = "usp"
	DefaultMaxRecord        = 5 << 20
	DefaultBlockSize        = 1024
	DefaultMaxDatagram      = 8 << 10
	DefaultAckTimeout       = 2 * time.Second
	DefaultMinAckTimeout    = 250 * time.Millisecond
	DefaultMaxRetransmit    = 4
	DefaultNStart           = 1
	DefaultAckDelay         = 200 * time.Millisecond
	DefaultResponseTimeout  = 247 * time.Second // EXCHANGE_LIFETIME
	DefaultPipeline         = 16
	DefaultMaxPeers         = 10_000
	DefaultMaxUnsettled     = 64
	DefaultMaxTransfers     = 256
	DefaultPeerTransfers    = 8
	DefaultMaxReassembly    = 64 << 20
	DefaultTransferTimeout  = 60 * time.Second
	DefaultMaxExchanges     = 65_536
	DefaultPeerExchanges    = 256
	DefaultMaxSessions      = 10_000
	DefaultMaxHandshakes    = 256
	DefaultHandshakeTimeout = 10 * time.Second
	DefaultCloseTimeout     = 5 * time.Second
	DefaultMaxHold          = 2 * time.Second
	DefaultIdle             = 24 * time.Hour
	DefaultMoveAfter        = 60 * time.Second
)

// LinkOptions are what both roles have in common.
type LinkOptions struct {
	// Name is the binding's name in the configuration; "": "coap".
	Name string
	// Path is the resource of the gateway on its socket, without the first
	// slash [R-COAP.1]; "": usp. Below it every Endpoint whose Records are sent
	// has a resource of its own, which is what the peer gets as reply-to.
	Path string
	// Advertise is the host, or host:port, of the reply-to URIs that peers get
	// [R-COAP.2]; "": the local address towards the peer, and the bound port.
	Advertise string
	// Order becomes Peer.Order, Patterns becomes Identity.Patterns.
	Order    int
	Patterns []string
	// ReplyTo are networks in which a reply-to may lie beside the address that
	// the Record came from. Others are refused with 4.00: whoever could name
	// any address could have our Records, or a flood of them, sent to a third
	// party.
	ReplyTo []netip.Prefix
	// ReplyToSource answers to the address and port that a Record came from,
	// at the path of its reply-to, whatever the host there: for peers behind a
	// NAT, as long as that keeps the binding open.
	ReplyToSource bool
	// ReplyToOptional takes Records without reply-to, whose answers go to the
	// address and port they came from, at Path; otherwise 4.00 [R-COAP.2].
	ReplyToOptional bool
	// MaxRecord is the largest Record taken, in bytes; 0: 5 MiB. A larger one
	// gets 4.13.
	MaxRecord int
	// BlockSize is the size of our blocks, and the largest taken, a power of
	// two from 16 to 1024; 0: 1024. Larger Records are sent by blocks
	// [R-COAP.5].
	BlockSize int
	// MaxDatagram is the largest datagram taken, in bytes; 0: 8 KiB. A larger
	// one gets 4.13.
	MaxDatagram int
	// AckTimeout, MaxRetransmit and NStart are those of [RFC 7252 4.8]; 0: 2 s,
	// 4 and 1. The random factor is 1.5.
	AckTimeout    time.Duration
	MaxRetransmit int
	NStart        int
	// MinAckTimeout is the least that AckTimeout becomes for an Endpoint that
	// answers fast, by the estimator of [RFC 6298]; 0: 250 ms, which is more
	// than AckDelay. It is then sent to more often, but given up no sooner than
	// AckTimeout and MaxRetransmit say. AckTimeout or more: as they say.
	MinAckTimeout time.Duration
	// AckDelay is how long the answer to a Record may wait for its outcome
	// before it becomes a separate response [RFC 7252 5.2.2]; 0: 200 ms.
	AckDelay time.Duration
	// ResponseTimeout is how long a separate response is waited for; 0: 247 s.
	// After it the Record counts as refused with ErrBusy.
	ResponseTimeout time.Duration
	// Pipeline bounds the Records of one Link whose separate response is
	// waited for while the next one is sent; 0: 16.
	Pipeline int
	// QueueRecords and QueueBytes bound the queue towards one peer; 0: those
	// of mtp.OutboxOptions.
	QueueRecords, QueueBytes int
	// MaxUnsettled bounds the Records taken from one Endpoint whose outcome is
	// not known; 0: 64. One more gets 5.03.
	MaxUnsettled int
	// MaxTransfers bounds the block-wise Records that are being received,
	// MaxTransfersPerPeer those of one address; 0: 256 and 8. One more gets
	// 5.03, unless another has rested for 10 s, which it replaces.
	MaxTransfers, MaxTransfersPerPeer int
	// MaxReassembly bounds what is received and not yet with the router, in
	// bytes; 0: 64 MiB. What would exceed it gets 5.03.
	MaxReassembly int
	// TransferTimeout ends a block-wise Record whose next block does not come;
	// 0: 60 s.
	TransferTimeout time.Duration
	// MaxExchanges bounds the requests that are remembered for 247 s to know
	// repetitions of them, MaxExchangesPerPeer those of one address and port; 0:
	// 65,536 and 256. The oldest one is forgotten. As many messages of ours may
	// wait for their ACK; separate responses beyond are sent once.
	MaxExchanges, MaxExchangesPerPeer int
	// MaxSessions bounds DTLS sessions, MaxHandshakes those of them that are
	// not established; 0: 10,000 and 256. What comes for one more is dropped.
	MaxSessions, MaxHandshakes int
	// HandshakeTimeout bounds a DTLS handshake; 0: 10 s.
	HandshakeTimeout time.Duration
	// MaxHold is how long a Record for which the buffer has no room is held before
	// it is answered with 5.03; it becomes Peer.MaxHold. Default 2 s, negative: not
	// at all.
	MaxHold time.Duration
	// CloseTimeout bounds, at a graceful close, the delivery of what is queued
	// and the wait for outcomes that are owed to the peer; 0: 5 s.
	CloseTimeout time.Duration
	// Idle takes a Link down from which nothing was heard, and that nothing
	// was delivered to, for so long; 0: 24 h. Negative: never. The Link of a
	// client stays.
	Idle time.Duration
	// Log takes one line per event; nil: none.
	Log *zap.Logger
	// Metrics is where the metrics of package mtp are registered; nil: none.
	Metrics prometheus.Registerer
}

// Claim is what an Endpoint says about itself by its first Record.
type Claim struct {
	Endpoint usp.EndpointID
	Remote   netip.AddrPort
}

// AuthFunc decides on an Endpoint that has proved nothing by a certificate: on
// plain UDP that is every one, and its address may be forged. An error refuses
// the Record with 4.03. Called concurrently; it must not block.
type AuthFunc func(c Claim) (mtp.Identity, error)

// ServerOptions configure a Server.
type ServerOptions struct {
	LinkOptions
	// Listen is the UDP address, host:port; "": 127.0.0.1:5683, with TLS 5684.
	Listen string
	// TLS, if set, makes it coaps: DTLS 1.2 with its certificates, CAs and
	// callbacks. With ClientCAs and ClientAuth the certificate of the peer
	// names its Endpoints [R-COAP.14, R-SEC.0a].
	TLS *tls.Config
	// Role is the role of the peers.
	Role usp.Role
	// Auth is asked for Endpoints without verified certificate; nil: they are
	// taken at their word.
	Auth AuthFunc
	// Shared adds a Link that is up while the Server runs, for Records to
	// Endpoints that have not spoken: their Hint.Destination is a URI. If that
	// has a name and Listen is no one address, Advertise is needed.
	Shared bool
	// MaxPeers bounds the Links, MaxPeersPerAddress those of one address; 0:
	// 10,000 and no bound of its own, negative: no bound. A Record from one more
	// gets 5.03.
	MaxPeers, MaxPeersPerAddress int
	// MoveAfter is how long the address of a live Endpoint that nobody has
	// authenticated must have been silent until a Record of that Endpoint from
	// another one is believed; 0: 60 s. Until then it gets 5.03. Negative: it
	// is believed at once.
	MoveAfter time.Duration
}

// ClientOptions configure a Client.
type ClientOptions struct {
	LinkOptions
	// URL of the peer's resource, coap://host[:port]/path or coaps://.
	URL string
	// Listen is the UDP address that the Client sends from and gets its answers
	// at; "": any address and a free port.
	Listen string
	// Endpoint is the own Endpoint ID, which becomes Peer.Presents; "": Records
	// of many Endpoints are sent.
	Endpoint usp.EndpointID
	// Peer is the Endpoint ID expected at URL; "": any, its first Record
	// decides.
	Peer usp.EndpointID
	// Role is the peer's role.
	Role usp.Role
	// Shared says that many Endpoints speak behind URL. A Hint.Destination
	// sends a Record to another URI than URL.
	Shared bool
	// TLS is used for coaps; nil: the system's CAs. Our certificate has to be
	// given where the peer demands one [R-COAP.16].
	TLS *tls.Config
	// KeepAlive is the interval of CoAP pings to the peer [RFC 7252 4.3]; the
	// Link is up while it answers. 0: none, and the Link is up at once.
	KeepAlive time.Duration
	// Retry is the wait before the Link comes up again.
	Retry mtp.BackoffOptions
	// Hold, if set, is called before every attempt and blocks while the Link
	// should rest.
	Hold mtp.HoldFunc
	// GiveUp, if set, is asked after every Link that failed or ended.
	GiveUp mtp.GiveUpFunc
}

// def sets *v to d if it is zero.
func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

func (o *LinkOptions) setDefaults() error {
	def(&o.Name, "coap")
	o.Path = strings.Trim(o.Path, "/")
	def(&o.Path, DefaultPath)
	def(&o.MaxRecord, DefaultMaxRecord)
	def(&o.BlockSize, DefaultBlockSize)
	def(&o.MaxDatagram, DefaultMaxDatagram)
	def(&o.AckTimeout, DefaultAckTimeout)
	def(&o.MinAckTimeout, DefaultMinAckTimeout)
	def(&o.MaxRetransmit, DefaultMaxRetransmit)
	def(&o.NStart, DefaultNStart)
	def(&o.AckDelay, DefaultAckDelay)
	def(&o.ResponseTimeout, DefaultResponseTimeout)
	def(&o.Pipeline, DefaultPipeline)
	def(&o.QueueRecords, mtp.DefaultQueueRecords)
	def(&o.QueueBytes, mtp.DefaultQueueBytes)
	def(&o.MaxUnsettled, DefaultMaxUnsettled)
	def(&o.MaxTransfers, DefaultMaxTransfers)
	def(&o.MaxTransfersPerPeer, DefaultPeerTransfers)
	def(&o.MaxReassembly, DefaultMaxReassembly)
	def(&o.TransferTimeout, DefaultTransferTimeout)
	def(&o.MaxExchanges, DefaultMaxExchanges)
	def(&o.MaxExchangesPerPeer, DefaultPeerExchanges)
	def(&o.MaxSessions, DefaultMaxSessions)
	def(&o.MaxHandshakes, DefaultMaxHandshakes)
	def(&o.HandshakeTimeout, DefaultHandshakeTimeout)
	def(&o.CloseTimeout, DefaultCloseTimeout)
	def(&o.MaxHold, DefaultMaxHold)
	def(&o.Idle, DefaultIdle)
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	o.Log = o.Log.Named("mtp.coap").With(zap.String("listener", o.Name))
	return o.check()
}

func (o *LinkOptions) check() error {
	if _, ok := szxOf(o.BlockSize); !ok {
		return fmt.Errorf("coap: block size %d: want a power of two from 16 to 1024", o.BlockSize)
	}
	if o.MaxDatagram < o.BlockSize+maxHeader {
		return fmt.Errorf("coap: datagrams of %d bytes do not hold a block of %d", o.MaxDatagram, o.BlockSize)
	}
	for segment := range strings.SplitSeq(o.Path, "/") {
		if segment == "" || len(segment) > maxSegment {
			return fmt.Errorf("coap: path %q: want segments of 1 to %d bytes", o.Path, maxSegment)
		}
	}
	return checkAdvertise(o.Advertise)
}

func (o *ServerOptions) setDefaults() error {
	if o.TLS == nil {
		def(&o.Listen, "127.0.0.1:5683")
	} else {
		def(&o.Listen, "127.0.0.1:5684")
		o.TLS = mtp.AtLeastTLS12(o.TLS)
	}
	def(&o.MaxPeers, DefaultMaxPeers)
	def(&o.MoveAfter, DefaultMoveAfter)
	return o.LinkOptions.setDefaults()
}

func (o *ClientOptions) setDefaults() error {
	if _, err := parseTarget(o.URL); err != nil {
		return fmt.Errorf("coap: URL: %w", err)
	}
	if o.Shared && (o.Endpoint != "" || o.Peer != "") {
		return errors.New("coap: a shared client has neither an Endpoint ID of its own nor one Peer")
	}
	def(&o.Listen, ":0")
	if o.TLS == nil {
		o.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	o.TLS = mtp.AtLeastTLS12(o.TLS)
	return o.LinkOptions.setDefaults()
}
