// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// Subprotocol is the WebSocket subprotocol of USP [R-WS.9].
const Subprotocol = "v1.usp"

// Defaults of the options.
const (
	DefaultPath             = "/usp"
	DefaultKeepAlive        = 60 * time.Second // [R-WS.17]
	DefaultMaxRecord        = 5 << 20
	DefaultMaxConnections   = 100_000
	DefaultHandshakeTimeout = 10 * time.Second
	DefaultCloseTimeout     = 5 * time.Second
	DefaultMaxHeader        = 8 << 10
	DefaultMaxHold          = 60 * time.Second
)

// The library's buffers, which serve the handshake only.
const (
	readBufferSize  = 128
	writeBufferSize = 256
)

// LinkOptions are what both roles have in common.
type LinkOptions struct {
	// Name is the binding's name in the configuration; "": "ws".
	Name string
	// KeepAlive is the interval between Pings; 0: 60 s. A peer that has been
	// silent for more than two intervals, or takes nothing for as long, is
	// gone [R-WS.17]. Negative: no Pings, and only the latter is checked.
	KeepAlive time.Duration
	// MaxRecord is the largest Record taken from the peer, in bytes; 0: 5 MiB.
	// A larger one closes the connection with 1009.
	MaxRecord int
	// HandshakeTimeout bounds TCP, TLS and WebSocket handshake together; 0: 10 s.
	HandshakeTimeout time.Duration
	// CloseTimeout bounds, at a graceful close, first the writing of what is
	// queued and then the wait for the peer's Close frame; 0: 5 s.
	CloseTimeout time.Duration
	// QueueRecords and QueueBytes bound the queue towards one peer; 0: those
	// of mtp.OutboxOptions.
	QueueRecords, QueueBytes int
	// MaxHold is how long a Record for which the buffer has no room is held before
	// it is dropped, and counted; the peer is not read meanwhile once as much is
	// held as may be. Becomes Peer.MaxHold; default 60 s, negative: not at all.
	MaxHold time.Duration
	// NoConnectRecords becomes Peer.NoConnectRecords.
	NoConnectRecords bool
	// Order becomes Peer.Order.
	Order int
	// Patterns become Identity.Patterns: what a Shared Link may speak for beside
	// the IDs that were proved, where * stands for any characters. They bound
	// also who a peer that proved nothing may say it is, but for Controllers
	// that dial one Agent. Empty: no bound.
	Patterns []string
	// Log takes one line per event; nil: none.
	Log *zap.Logger
	// Metrics is where the metrics of package mtp are registered; nil: none.
	Metrics prometheus.Registerer
}

// AuthFunc authenticates a handshake, by Basic credentials for example. The
// Identity bounds the Endpoint ID that the handshake may claim. An error that
// wraps mtp.ErrForbidden is answered with 403, mtp.ErrBusy with 503, any other
// with 401. Called concurrently.
type AuthFunc func(r *http.Request) (mtp.Identity, error)

// ServerOptions configure a Server.
type ServerOptions struct {
	LinkOptions
	// Listen is the TCP address, host:port; "": 127.0.0.1:8080.
	Listen string
	// Path is the resource of the gateway [R-WS.1]; "": /usp. Below it,
	// Path/agents/<Endpoint ID> is one Agent.
	Path string
	// TLS, if set, makes it wss. With ClientCAs and ClientAuth the client's
	// certificate names the Endpoint [R-SEC.0a]. At least TLS 1.2 [R-MTP.0].
	TLS *tls.Config
	// Endpoint is the own Endpoint ID, told in the deprecated extension header
	// to a peer that asks with it [R-WS.11a]; "": never told on Path. Peers
	// disconnect if it is not the one they are configured for.
	Endpoint usp.EndpointID
	// Role is the role of the peers on Path. On Path/agents/ they are always
	// Controllers.
	Role usp.Role
	// RequireEndpoint refuses a handshake that does not say who the peer is
	// [R-WS.10b]; otherwise its first Record decides.
	RequireEndpoint bool
	// Shared makes Links on Path trunks: Peer.Shared, and an Identity without
	// bounds unless a certificate or Auth gives one.
	Shared bool
	// Auth is asked when the client gave no verified certificate; nil: such
	// peers are taken at their word.
	Auth AuthFunc
	// CheckOrigin may refuse a handshake by its Origin header with 403; nil:
	// any Origin. Agents send all kinds of them.
	CheckOrigin func(r *http.Request) bool
	// MaxConnections bounds open connections, handshakes included; 0: 100,000,
	// negative: no bound. One too many is closed at once.
	MaxConnections int
	// MaxConnectionsPerAddress does so for one remote address; 0: no bound
	// of its own, many Agents may be behind one NAT.
	MaxConnectionsPerAddress int
	// ProxyFrom are the networks of trusted proxies: connections from there
	// must begin with a PROXY protocol header, within HandshakeTimeout, whose
	// source becomes the remote address, also for MaxConnectionsPerAddress.
	// Empty: none.
	ProxyFrom []netip.Prefix
}

// ClientOptions configure a Client.
type ClientOptions struct {
	LinkOptions
	// URL of the server, ws or wss [R-WS.2]. A query in it is kept.
	URL string
	// Endpoint is the own Endpoint ID, sent as eid [R-WS.10b]. Required.
	Endpoint usp.EndpointID
	// Carrier says that Records of other Endpoints than Endpoint are sent over
	// the Link too; otherwise Peer.Presents is Endpoint.
	Carrier bool
	// Peer is the Endpoint ID expected of the server; "": any, its first
	// Record decides. A server that names another is left.
	Peer usp.EndpointID
	// Role is the server's role.
	Role usp.Role
	// Shared says that many Endpoints speak behind the server.
	Shared bool
	// LegacyExtension sends the Endpoint ID also in the extension header that
	// USP 1.3 has removed [R-WS.10a], for servers older than that.
	LegacyExtension bool
	// SourceAddresses are local addresses to connect from, each time another by
	// chance and the next where that has no port left: one of them has some
	// 28,000 for one server. Those of another family than the server's are
	// passed over. Empty: the system chooses.
	SourceAddresses []netip.Addr
	// TLS is used for wss; nil: the system's CAs, TLS 1.2 or newer.
	TLS *tls.Config
	// Header is added to the handshake, for example Authorization.
	Header http.Header
	// Retry is the wait between attempts to connect [R-WS.19].
	Retry mtp.BackoffOptions
	// Hold, if set, is called before every attempt and blocks while dialling
	// should rest [R-WS.4].
	Hold mtp.HoldFunc
	// GiveUp, if set, is asked after every connection that failed or ended.
	GiveUp mtp.GiveUpFunc
	// Buffers is shared by all clients that have the same, as the members of a
	// Fleet should; nil: the client has its own.
	Buffers *Buffers
}

func (o *LinkOptions) setDefaults() {
	if o.Name == "" {
		o.Name = "ws"
	}
	if o.KeepAlive == 0 {
		o.KeepAlive = DefaultKeepAlive
	}
	if o.MaxRecord <= 0 {
		o.MaxRecord = DefaultMaxRecord
	}
	if o.HandshakeTimeout <= 0 {
		o.HandshakeTimeout = DefaultHandshakeTimeout
	}
	if o.CloseTimeout <= 0 {
		o.CloseTimeout = DefaultCloseTimeout
	}
	if o.MaxHold == 0 {
		o.MaxHold = DefaultMaxHold
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	o.Log = o.Log.Named("mtp.ws")
}

func (o *ServerOptions) setDefaults() error {
	o.LinkOptions.setDefaults()
	o.Log = o.Log.With(zap.String("listener", o.Name))
	if o.Listen == "" {
		o.Listen = "127.0.0.1:8080"
	}
	if o.Path == "" {
		o.Path = DefaultPath
	}
	if !strings.HasPrefix(o.Path, "/") {
		return fmt.Errorf("ws: path %q does not begin with /", o.Path)
	}
	o.Path = strings.TrimRight(o.Path, "/")
	if o.MaxConnections == 0 {
		o.MaxConnections = DefaultMaxConnections
	}
	if o.TLS != nil {
		o.TLS = mtp.AtLeastTLS12(o.TLS)
		o.TLS.NextProtos = []string{"http/1.1"}
	}
	return nil
}

func (o *ClientOptions) setDefaults() error {
	o.LinkOptions.setDefaults()
	u, err := url.Parse(o.URL)
	switch {
	case err != nil:
		return fmt.Errorf("ws: URL: %w", err)
	case u.Scheme != "ws" && u.Scheme != "wss":
		return fmt.Errorf("ws: URL %q: want ws:// or wss://", u.Redacted())
	case u.Host == "" || u.User != nil || u.Fragment != "":
		return fmt.Errorf("ws: URL %q: want a host, no user and no fragment", u.Redacted())
	case o.Endpoint == "":
		return errors.New("ws: a client needs its own Endpoint ID")
	}
	if u.Scheme == "wss" {
		o.TLS = mtp.AtLeastTLS12(cmp.Or(o.TLS, &tls.Config{})) //nolint:gosec // which is what it does
	}
	if o.Buffers == nil {
		o.Buffers = &Buffers{}
	}
	return nil
}
