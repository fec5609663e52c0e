// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// Defaults of the options.
const (
	DefaultMaxRecord        = 5 << 20
	DefaultMaxConnections   = 100_000
	DefaultMaxInflight      = 256
	DefaultMaxSubscriptions = 32
	DefaultMaxControl       = 64 << 10
	DefaultKeepAlive        = 60 * time.Second // [R-MQTT.14]
	DefaultHandshakeTimeout = 10 * time.Second
	DefaultWriteTimeout     = 30 * time.Second
	DefaultCloseTimeout     = 5 * time.Second
	DefaultMaxHold          = 2 * time.Second
	DefaultRepeatAfter      = 30 * time.Second
	DefaultRetainedMessages = 10_000
	DefaultRetainedBytes    = 16 << 20
	DefaultMaxLevels        = 32
	DefaultMaxWillDelay     = 5 * time.Minute
	DefaultMaxWills         = 1024
	DefaultMaxRepresented   = 100_000
	DefaultMaxFilters       = 64
	DefaultMaxPeers         = 16_384
	// overhead is what a PUBLISH has beside the Record: topics and properties.
	overhead = 4 << 10
	// maxIDs is how many packet identifiers there are.
	maxIDs = 1<<16 - 1
	// protocol5 is the protocol level of MQTT 5.
	protocol5 = 5
)

// Login is what a client has presented in its CONNECT.
type Login struct {
	ClientID string
	Username string
	Password string
	Endpoint usp.EndpointID // user property usp-endpoint-id, or empty
	Remote   string
}

// AuthFunc authenticates a CONNECT. The Identity bounds the Endpoint ID that
// the client may have. Any error refuses it. Called concurrently.
type AuthFunc func(l Login) (mtp.Identity, error)

// PlainAccess is the wish of a client to use a topic of plain MQTT.
type PlainAccess struct {
	ClientID string
	Endpoint usp.EndpointID // or empty
	Identity mtp.Identity   // its Name is the user
	// Topic is where it publishes to, or the filter that it subscribes to.
	Topic string
	Write bool
}

// ServerOptions configure a Server. The zero value of a field means its
// default.
type ServerOptions struct {
	// Name is the binding's name in the configuration; "": "mqtt".
	Name string
	// Listen is the TCP address, host:port; "": 127.0.0.1:1883.
	Listen string
	// ProxyFrom are the peers, load balancers, whose PROXY protocol header is
	// demanded and believed.
	ProxyFrom []netip.Prefix
	// TLS, if set, is used for every connection. With ClientCAs and ClientAuth
	// the certificate names the Endpoint [R-SEC.0a].
	TLS *tls.Config
	// Topics are the topics of Endpoints; zero: DefaultTopics.
	Topics Topics
	// RecordFilters are topic filters under which every PUBLISH carries a
	// Record, beside the topics of Endpoints and what is below them. They
	// matter with Plain only: without it every PUBLISH does.
	RecordFilters []string
	// Plain lets clients exchange messages that are no Records, as over any
	// broker; see the package comment.
	Plain bool
	// PlainACL, if set, is asked about every topic of plain MQTT that a client
	// publishes to or subscribes to; nil: all are free. Called concurrently, and
	// must not block.
	PlainACL func(a PlainAccess) bool
	// RetainedMessages and RetainedBytes bound what is retained of plain MQTT;
	// default 10,000 and 16 MiB. One message too many is delivered and not
	// retained.
	RetainedMessages, RetainedBytes int
	// MaxLevels bounds the levels of a topic or filter of plain MQTT; default 32.
	MaxLevels int
	// MaxWillDelay bounds how long a plain will waits for its client to come
	// back; default 5 min.
	MaxWillDelay time.Duration
	// MaxWills bounds the plain wills that wait; default 1024. One too many is
	// published at once.
	MaxWills int
	// Role is the role of the clients; RoleUnknown finds it out from their
	// topics and Connect Records.
	Role usp.Role
	// Auth is asked when the client gave no verified certificate; nil: clients
	// are taken at their word.
	Auth AuthFunc
	// Shared makes the Links trunks: Peer.Shared, and an Identity without bounds
	// unless a certificate, Auth or Patterns give one.
	Shared bool
	// Patterns are Endpoint IDs with *, that every client may speak for beside
	// its own; they become Identity.Patterns.
	Patterns []string
	// Order becomes Peer.Order.
	Order int
	// NoConnectRecords becomes Peer.NoConnectRecords.
	NoConnectRecords bool
	// MaxRecord is the largest Record taken, in bytes; default 5 MiB.
	MaxRecord int
	// MaxControl is the largest packet of another kind than PUBLISH, in bytes;
	// default 64 KiB. A CONNECT with its properties and will is one.
	MaxControl int
	// MaxConnections bounds open connections, those without CONNECT included;
	// one too many is closed at once. Default 100,000; negative: no bound.
	MaxConnections int
	// MaxConnectionsPerAddress does so for one remote address; 0: no bound of
	// its own, many Agents may be behind one NAT.
	MaxConnectionsPerAddress int
	// MaxSubscriptions bounds the subscriptions of a client; default 32.
	MaxSubscriptions int
	// MaxInflight bounds, in each direction, the QoS 1 PUBLISHes of a client
	// that have no PUBACK yet; default 256. A client's own Receive Maximum
	// lowers it. A 3.1.1 client cannot be told, and may send more.
	MaxInflight int
	// QueueRecords and QueueBytes bound the queue towards one client; 0: those
	// of mtp.OutboxOptions. Messages of plain MQTT have as much room of their
	// own: what finds it full is dropped, and counted.
	QueueRecords, QueueBytes int
	// HandshakeTimeout bounds TLS and CONNECT; default 10 s.
	HandshakeTimeout time.Duration
	// WriteTimeout is how long a client may take nothing at all; default 30 s.
	WriteTimeout time.Duration
	// CloseTimeout bounds, for a Link that is closed, the writing of what is
	// queued, its PUBACKs and the client's own close together; default 5 s.
	CloseTimeout time.Duration
	// MaxHold is how long a Record for which the buffer has no room is held,
	// unacknowledged, before its sender hears 0x97 (Quota exceeded) or, in MQTT
	// 3.1.1, is disconnected; with QoS 0 it is dropped then. It becomes
	// Peer.MaxHold; default 2 s, negative: not at all.
	MaxHold time.Duration
	// Log takes one line per event; nil: none.
	Log *zap.Logger
	// Metrics is where the metrics of package mtp are registered; nil: none.
	Metrics prometheus.Registerer
}

func (o *ServerOptions) setDefaults() error {
	def(&o.Name, "mqtt")
	def(&o.Listen, "127.0.0.1:1883")
	def(&o.Topics, DefaultTopics())
	def(&o.MaxRecord, DefaultMaxRecord)
	def(&o.MaxControl, DefaultMaxControl)
	def(&o.MaxConnections, DefaultMaxConnections)
	def(&o.MaxSubscriptions, DefaultMaxSubscriptions)
	def(&o.MaxInflight, DefaultMaxInflight)
	def(&o.RetainedMessages, DefaultRetainedMessages)
	def(&o.RetainedBytes, DefaultRetainedBytes)
	def(&o.MaxLevels, DefaultMaxLevels)
	def(&o.MaxWillDelay, DefaultMaxWillDelay)
	def(&o.MaxWills, DefaultMaxWills)
	def(&o.HandshakeTimeout, DefaultHandshakeTimeout)
	def(&o.WriteTimeout, DefaultWriteTimeout)
	def(&o.CloseTimeout, DefaultCloseTimeout)
	def(&o.MaxHold, DefaultMaxHold)
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	o.Log = o.Log.Named("mtp.mqtt").With(zap.String("listener", o.Name))
	if o.TLS != nil {
		o.TLS = mtp.AtLeastTLS12(o.TLS) // [R-MQTT.48]
	}
	return errors.Join(checkInflight(o.MaxInflight), o.Topics.check(), checkFilters(o.RecordFilters))
}

// checkFilters reports the first that is none.
func checkFilters(filters []string) error {
	for _, filter := range filters {
		if !validFilter(filter) {
			return fmt.Errorf("mqtt: %q is not a topic filter", filter)
		}
	}
	return nil
}

// def sets *v to d if it is zero.
func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

func checkInflight(n int) error {
	if n < 1 || n > 1<<14 {
		return errors.New("mqtt: MaxInflight is 1 to 16384")
	}
	return nil
}
