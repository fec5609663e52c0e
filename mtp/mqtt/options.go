// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"crypto/tls"
	"errors"
	"fmt"
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

// ServerOptions configure a Server. The zero value of a field means its
// default.
type ServerOptions struct {
	// Name is the binding's name in the configuration; "": "mqtt".
	Name string
	// Listen is the TCP address, host:port; "": 127.0.0.1:1883.
	Listen string
	// TLS, if set, is used for every connection. With ClientCAs and ClientAuth
	// the certificate names the Endpoint [R-SEC.0a].
	TLS *tls.Config
	// Topics are the topics of Endpoints; zero: DefaultTopics.
	Topics Topics
	// Role is the role of the clients; RoleUnknown finds it out from their
	// topics and Connect Records.
	Role usp.Role
	// Auth is asked when the client gave no verified certificate; nil: clients
	// are taken at their word.
	Auth AuthFunc
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
	// of mtp.OutboxOptions.
	QueueRecords, QueueBytes int
	// HandshakeTimeout bounds TLS and CONNECT; default 10 s.
	HandshakeTimeout time.Duration
	// WriteTimeout is how long a client may take nothing at all; default 30 s.
	WriteTimeout time.Duration
	// CloseTimeout bounds, for a Link that is closed, the writing of what is
	// queued, its PUBACKs and the client's own close together; default 5 s.
	CloseTimeout time.Duration
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
	def(&o.HandshakeTimeout, DefaultHandshakeTimeout)
	def(&o.WriteTimeout, DefaultWriteTimeout)
	def(&o.CloseTimeout, DefaultCloseTimeout)
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	o.Log = o.Log.Named("mtp.mqtt").With(zap.String("listener", o.Name))
	if o.TLS != nil {
		o.TLS = atLeastTLS12(o.TLS) // [R-MQTT.48]
	}
	return errors.Join(checkInflight(o.MaxInflight), o.Topics.check())
}

// def sets *v to d if it is zero.
func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Version is a version of MQTT.
type Version uint8

// The versions, by their protocol level.
const (
	Version311 Version = 4
	Version5   Version = 5
)

// ClientOptions configure a Client: one Endpoint on another's broker.
type ClientOptions struct {
	// Name is the binding's name in the configuration; "": "mqtt".
	Name string
	// URL of the broker, mqtt://[user:password@]host[:port] or mqtts://.
	URL string
	// Version of MQTT; 0: Version5.
	Version Version
	// Endpoint is the own Endpoint ID, sent as usp-endpoint-id [R-MQTT.13].
	// Required.
	Endpoint usp.EndpointID
	// ClientID of the CONNECT; "": the Endpoint ID [R-MQTT.8].
	ClientID string
	// Role is the own role: it decides the own topic. Required.
	Role usp.Role
	// Topics are the topics of Endpoints; zero: DefaultTopics.
	Topics Topics
	// Subscriptions are filters to subscribe to beside the own topic and those
	// that the broker names [R-MQTT.15].
	Subscriptions []string
	// SessionExpiry asks the broker to keep what comes for us while we are not
	// connected; 0: a clean session each time. MQTT 3.1.1 has no limit but
	// that of the broker.
	SessionExpiry time.Duration
	// TLS is used for mqtts; nil: the system's CAs. At least TLS 1.2
	// [R-MQTT.48].
	TLS *tls.Config
	// MaxRecord is the largest Record taken, in bytes; default 5 MiB. A larger
	// one ends the connection.
	MaxRecord int
	// MaxInflight bounds, in each direction, the PUBLISHes that have no PUBACK
	// yet; default 256. The broker's Receive Maximum lowers it.
	MaxInflight int
	// QueueRecords and QueueBytes bound the queue towards the broker; 0: those
	// of mtp.OutboxOptions.
	QueueRecords, QueueBytes int
	// KeepAlive is that of the CONNECT; default 60 s [R-MQTT.14].
	KeepAlive time.Duration
	// ConnectTimeout bounds TCP, TLS, CONNECT and SUBSCRIBE; default 10 s.
	ConnectTimeout time.Duration
	// WriteTimeout is how long the broker may take nothing at all; default 30 s.
	WriteTimeout time.Duration
	// CloseTimeout bounds, for a Link that is closed, the writing of what is
	// queued, its PUBACKs and the broker's own close together; default 5 s.
	CloseTimeout time.Duration
	// NoConnectRecords becomes Peer.NoConnectRecords.
	NoConnectRecords bool
	// Retry is the wait between attempts to connect [R-MQTT.10].
	Retry mtp.BackoffOptions
	// GiveUp, if set, is asked after every connection that failed or ended.
	GiveUp mtp.GiveUpFunc
	// Log takes one line per event; nil: none.
	Log *zap.Logger
	// Metrics is where the metrics of package mtp are registered; nil: none.
	Metrics prometheus.Registerer
}

func (o *ClientOptions) setDefaults() error {
	def(&o.Name, "mqtt")
	def(&o.Version, Version5)
	def(&o.ClientID, string(o.Endpoint))
	def(&o.Topics, DefaultTopics())
	def(&o.MaxRecord, DefaultMaxRecord)
	def(&o.MaxInflight, DefaultMaxInflight)
	def(&o.KeepAlive, DefaultKeepAlive)
	def(&o.ConnectTimeout, DefaultHandshakeTimeout)
	def(&o.WriteTimeout, DefaultWriteTimeout)
	def(&o.CloseTimeout, DefaultCloseTimeout)
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	o.Log = o.Log.Named("mtp.mqtt").With(zap.String("listener", o.Name))
	if o.TLS == nil {
		o.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	o.TLS = atLeastTLS12(o.TLS)
	switch {
	case o.Endpoint == "":
		return errors.New("mqtt: a client needs its own Endpoint ID")
	case o.Role == usp.RoleUnknown:
		return errors.New("mqtt: a client needs its own role")
	case o.Version != Version5 && o.Version != Version311:
		return fmt.Errorf("mqtt: version %d: want 5, or 4 for MQTT 3.1.1", o.Version)
	case o.KeepAlive < time.Second || o.KeepAlive > maxIDs*time.Second:
		return errors.New("mqtt: KeepAlive is 1 s to 65535 s")
	}
	for _, filter := range o.Subscriptions {
		if !validFilter(filter) {
			return fmt.Errorf("mqtt: subscription %q is not a topic filter", filter)
		}
	}
	return errors.Join(checkInflight(o.MaxInflight), o.Topics.check())
}

func checkInflight(n int) error {
	if n < 1 || n > 1<<14 {
		return errors.New("mqtt: MaxInflight is 1 to 16384")
	}
	return nil
}

// atLeastTLS12 returns a copy of c without older versions [R-MTP.0].
func atLeastTLS12(c *tls.Config) *tls.Config {
	c = c.Clone()
	c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	return c
}
