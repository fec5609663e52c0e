// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// Defaults of the options.
const (
	DefaultMaxRecord        = 5 << 20
	DefaultMaxHeader        = 8 << 10
	DefaultMaxHeaders       = 64
	DefaultMaxConnections   = 100_000
	DefaultMaxSubscriptions = 16
	DefaultMaxInflight      = 256
	DefaultMaxRepresented   = 100_000
	DefaultHeartBeat        = 60 * time.Second
	DefaultHandshakeTimeout = 10 * time.Second
	DefaultFrameTimeout     = 30 * time.Second
	DefaultWriteTimeout     = 30 * time.Second
	DefaultCloseTimeout     = 5 * time.Second
	DefaultMaxHold          = 60 * time.Second
	// Those of Retry: the first wait is 30 s to 60 s, and none is longer than
	// ServerRetryMaxInterval [R-STOMP.7].
	DefaultRetryInterval = 30 * time.Second
	DefaultRetryMax      = 30720 * time.Second
	// minHeartBeat is the shortest interval in which we send heart-beats.
	minHeartBeat = time.Second
	// maxHeartBeat is the longest that is counted with.
	maxHeartBeat = 24 * time.Hour
	// maxKept is the size in bytes of the longest header value that is kept: a
	// destination, the id of a subscription or of a receipt.
	maxKept = 512
)

// Login is what a client has presented in its STOMP or CONNECT frame.
type Login struct {
	Username string         // login
	Password string         // passcode
	Host     string         // host, the virtual host it wants [R-STOMP.5]
	Endpoint usp.EndpointID // endpoint-id [R-STOMP.4], or empty
	Remote   string
}

// AuthFunc authenticates a client [R-STOMP.33]. The Identity bounds the Endpoint
// ID that it may have. Any error refuses it. Called concurrently.
type AuthFunc func(l Login) (mtp.Identity, error)

// LinkOptions are what both roles have in common. The zero value of a field
// means its default.
type LinkOptions struct {
	// Name is the binding's name in the configuration; "": "stomp".
	Name string
	// Destinations are those of Endpoints; zero: DefaultDestinations.
	Destinations Destinations
	// MaxRecord is the largest Record taken, in bytes; default 5 MiB. A frame
	// whose body is larger ends the connection before the body is read.
	MaxRecord int
	// MaxHeader bounds the command and headers of a frame together, in bytes;
	// default 8 KiB, at most 12 KiB. MaxHeaders is how many they are; default 64.
	MaxHeader, MaxHeaders int
	// QueueRecords and QueueBytes bound the queue towards one peer; 0: those
	// of mtp.OutboxOptions.
	QueueRecords, QueueBytes int
	// HeartBeat is the interval in which we want a sign of life of the peer,
	// and the client role gives one; default 60 s, negative: none. The header
	// heart-beat of the other side makes it longer, or switches it off. A peer
	// may be late: it is gone after two intervals without a sign [R-STOMP.8].
	HeartBeat time.Duration
	// HandshakeTimeout bounds TLS and the first frames: of a client STOMP, of a
	// broker CONNECTED and the RECEIPT of our SUBSCRIBE; default 10 s.
	HandshakeTimeout time.Duration
	// FrameTimeout is how long a peer may take for the command and headers of a
	// frame, and for every 64 KiB of its body; default 30 s.
	FrameTimeout time.Duration
	// WriteTimeout is how long the peer may take nothing at all; default 30 s.
	WriteTimeout time.Duration
	// CloseTimeout bounds, for a Link that is closed, the writing of what is
	// queued, its receipts and the peer's own close together; default 5 s.
	CloseTimeout time.Duration
	// MaxHold is how long a Record for which the buffer has no room is held before
	// it is dropped, and counted, or if it has asked for a RECEIPT the connection is
	// closed; the peer is not read meanwhile once as much is
	// held as may be. Becomes Peer.MaxHold; default 60 s, negative: not at all.
	MaxHold time.Duration
	// Patterns are Endpoint IDs, * for any characters, for which the peer may
	// speak as well: they become Identity.Patterns.
	Patterns []string
	// Order becomes Peer.Order.
	Order int
	// NoConnectRecords becomes Peer.NoConnectRecords.
	NoConnectRecords bool
	// Log takes one line per event; nil: none.
	Log *zap.Logger
	// Metrics is where the metrics of package mtp are registered; nil: none.
	Metrics prometheus.Registerer
}

// ServerOptions configure a Server. The zero value of a field means its
// default.
type ServerOptions struct {
	LinkOptions
	// Listen is the TCP address, host:port; "": 127.0.0.1:61613.
	Listen string
	// TLS, if set, is used for every connection. With ClientCAs and ClientAuth
	// the certificate names the Endpoint [R-SEC.0a, R-STOMP.35].
	TLS *tls.Config
	// Role is the role of the clients; RoleUnknown finds it out from their
	// destinations and Connect Records.
	Role usp.Role
	// Shared makes every Link a trunk: Peer.Shared, and an Identity without
	// bounds unless a certificate, Auth or Patterns give one.
	Shared bool
	// Auth is asked when the client gave no verified certificate; nil: clients
	// are taken at their word.
	Auth AuthFunc
	// MaxConnections bounds open connections, those without CONNECT included;
	// one too many is closed at once. Default 100,000; negative: no bound.
	MaxConnections int
	// MaxConnectionsPerAddress does so for one remote address; 0: no bound of
	// its own, many Agents may be behind one NAT.
	MaxConnectionsPerAddress int
	// ProxyFrom are the peers of whom a PROXY protocol header is demanded and
	// believed.
	ProxyFrom []netip.Prefix
	// MaxSubscriptions bounds the subscriptions of a client; default 16.
	MaxSubscriptions int
}

// ClientOptions configure a Client: a connection to another's broker. The zero
// value of a field means its default.
type ClientOptions struct {
	LinkOptions
	// URL of the broker, stomp://[user:password@]host[:port] or stomps://.
	URL string
	// Username and Password are login and passcode; "": those of URL
	// [R-STOMP.3].
	Username, Password string
	// VirtualHost is the header host [R-STOMP.5]; "": the host of the URL.
	VirtualHost string
	// Endpoint is the own Endpoint ID, sent as endpoint-id [R-STOMP.4].
	// Required, but with Shared.
	Endpoint usp.EndpointID
	// Role is the own role: it decides the own destination. Required, but with
	// Shared, where a role means that all that are represented have it.
	Role usp.Role
	// Presents says that the connection is Endpoint's alone: Peer.Presents.
	Presents bool
	// Peer is the one counterpart there is on the broker: Peer.Endpoint, and the
	// only one that the Link may speak for. "": there are many, and the Link is
	// Peer.Shared.
	Peer usp.EndpointID
	// Shared has the Endpoints of this gateway share the connection: those
	// given to Represent are subscribed for, each with its own destination.
	// Records between others on the broker are never seen.
	Shared bool
	// OwnDestination is where Records for us come [R-STOMP.12]; "": the
	// template's for Endpoint, or with Shared for each Endpoint that is
	// represented, all of which it replaces.
	OwnDestination string
	// MaxRepresented bounds the Endpoints that are represented at a time;
	// default 100,000. One too many is not, which is logged.
	MaxRepresented int
	// Assigned says that only the broker gives a destination, by
	// subscribe-dest: a connection without one ends and is tried again
	// [R-STOMP.16]. Not together with Shared.
	Assigned bool
	// NoReceipts sends Records without asking for receipts: they are delivered
	// when they have been written.
	NoReceipts bool
	// MaxInflight bounds the SENDs without RECEIPT; default 256.
	MaxInflight int
	// TLS is used for stomps; nil: the system's CAs. At least TLS 1.2
	// [R-STOMP.36].
	TLS *tls.Config
	// Retry is the wait between attempts to connect [R-STOMP.7, R-STOMP.25];
	// Interval and Max have the defaults named above.
	Retry mtp.BackoffOptions
	// Hold, if set, is called before every attempt and blocks while dialling
	// should rest.
	Hold mtp.HoldFunc
	// GiveUp, if set, is asked after every connection that failed or ended.
	GiveUp mtp.GiveUpFunc
}

// maxMaxHeader leaves room for a body in the buffer that holds the headers.
const maxMaxHeader = bufferSize - 4<<10

func (o *LinkOptions) setDefaults() error {
	def(&o.Name, "stomp")
	def(&o.Destinations, DefaultDestinations())
	def(&o.MaxRecord, DefaultMaxRecord)
	def(&o.MaxHeader, DefaultMaxHeader)
	def(&o.MaxHeaders, DefaultMaxHeaders)
	def(&o.HeartBeat, DefaultHeartBeat)
	def(&o.HandshakeTimeout, DefaultHandshakeTimeout)
	def(&o.FrameTimeout, DefaultFrameTimeout)
	def(&o.WriteTimeout, DefaultWriteTimeout)
	def(&o.CloseTimeout, DefaultCloseTimeout)
	def(&o.MaxHold, DefaultMaxHold)
	o.HeartBeat = min(o.HeartBeat, maxHeartBeat)
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	o.Log = o.Log.Named("mtp.stomp").With(zap.String("listener", o.Name))
	switch {
	case o.MaxRecord < 1 || o.MaxHeader < 1 || o.MaxHeaders < 1:
		return errors.New("stomp: MaxRecord, MaxHeader and MaxHeaders are positive")
	case o.HandshakeTimeout < 0 || o.FrameTimeout < 0 || o.WriteTimeout < 0 || o.CloseTimeout < 0:
		return errors.New("stomp: timeouts are positive")
	case o.MaxHeader > maxMaxHeader:
		return fmt.Errorf("stomp: MaxHeader is at most %d", maxMaxHeader)
	}
	return o.Destinations.check()
}

func (o *ServerOptions) setDefaults() error {
	def(&o.Listen, "127.0.0.1:61613")
	def(&o.MaxConnections, DefaultMaxConnections)
	def(&o.MaxSubscriptions, DefaultMaxSubscriptions)
	if o.TLS != nil {
		o.TLS = mtp.AtLeastTLS12(o.TLS)
	}
	return o.LinkOptions.setDefaults()
}

// setDefaults returns the parsed URL.
func (o *ClientOptions) setDefaults() (*url.URL, error) {
	def(&o.MaxInflight, DefaultMaxInflight)
	def(&o.MaxRepresented, DefaultMaxRepresented)
	def(&o.Retry.Interval, DefaultRetryInterval)
	def(&o.Retry.Max, DefaultRetryMax)
	if o.TLS == nil {
		o.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	o.TLS = mtp.AtLeastTLS12(o.TLS)
	if err := o.LinkOptions.setDefaults(); err != nil {
		return nil, err
	}
	switch {
	case o.Endpoint == "" && (!o.Shared || o.Presents):
		return nil, errors.New("stomp: a client needs its own Endpoint ID")
	case o.Role == usp.RoleUnknown && !o.Shared:
		return nil, errors.New("stomp: a client needs its own role")
	case o.Assigned && (o.Shared || o.OwnDestination != ""):
		return nil, errors.New("stomp: Assigned goes neither with Shared nor with OwnDestination")
	case o.MaxInflight < 1 || o.MaxRepresented < 1:
		return nil, errors.New("stomp: MaxInflight and MaxRepresented are positive")
	case len(o.OwnDestination) > maxKept:
		return nil, fmt.Errorf("stomp: OwnDestination has at most %d bytes", maxKept)
	}
	return parseURL(o.URL)
}

func parseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("stomp: URL: %w", err)
	}
	ports := map[string]string{"stomp": "61613", "stomps": "61614"}
	if ports[u.Scheme] == "" || u.Hostname() == "" {
		return nil, fmt.Errorf("stomp: URL %q: want stomp:// or stomps:// and a host", u.Redacted())
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), ports[u.Scheme])
	}
	return u, nil
}

// def sets *v to d if it is zero.
func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
