// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"crypto/tls"
	"errors"
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
	DefaultHandshakeTimeout = 10 * time.Second
	DefaultWriteTimeout     = 30 * time.Second
	DefaultCloseTimeout     = 5 * time.Second
	// overhead is what a PUBLISH has beside the Record: topics and properties.
	overhead = 4 << 10
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
	// AllowPlain lets clients exchange other messages than Records, as in any
	// broker.
	AllowPlain bool
	// NoConnectRecords becomes Peer.NoConnectRecords.
	NoConnectRecords bool
	// MaxRecord is the largest Record taken, in bytes; default 5 MiB.
	MaxRecord int
	// MaxConnections bounds open connections; one too many is closed at once.
	// Default 100,000.
	MaxConnections int
	// MaxInflight bounds, in each direction, the QoS 1 PUBLISHes of a client
	// that have no PUBACK yet; default 256. A client's own Receive Maximum
	// lowers it.
	MaxInflight int
	// QueueRecords and QueueBytes bound the queue towards one client; 0: those
	// of mtp.OutboxOptions.
	QueueRecords, QueueBytes int
	// HandshakeTimeout bounds TLS and CONNECT; default 10 s.
	HandshakeTimeout time.Duration
	// WriteTimeout is how long a client may refuse to take anything; default 30 s.
	WriteTimeout time.Duration
	// CloseTimeout bounds the flush of a Link that is closed; default 5 s.
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
	def(&o.MaxConnections, DefaultMaxConnections)
	def(&o.MaxInflight, DefaultMaxInflight)
	def(&o.HandshakeTimeout, DefaultHandshakeTimeout)
	def(&o.WriteTimeout, DefaultWriteTimeout)
	def(&o.CloseTimeout, DefaultCloseTimeout)
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	o.Log = o.Log.Named("mtp.mqtt").With(zap.String("listener", o.Name))
	if o.MaxInflight < 1 || o.MaxInflight > 1<<14 {
		return errors.New("mqtt: MaxInflight is 1 to 16384")
	}
	if o.TLS != nil {
		o.TLS = o.TLS.Clone()
		o.TLS.MinVersion = max(o.TLS.MinVersion, tls.VersionTLS12) // [R-MQTT.48]
	}
	return o.Topics.check()
}

// def sets *v to d if it is zero.
func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// ClientOptions configure a Client: one Endpoint on another's broker.
type ClientOptions struct {
	// Name is the binding's name in the configuration; "": "mqtt".
	Name string
	// URL of the broker, mqtt://[user:password@]host:port or mqtts://.
	URL string
	// Endpoint is the own Endpoint ID, sent as usp-endpoint-id [R-MQTT.13] and
	// as ClientID. Required.
	Endpoint usp.EndpointID
	// Role is the own role: it decides the own topic. Required.
	Role usp.Role
	// Topics are the topics of Endpoints; zero: DefaultTopics.
	Topics Topics
	// TLS is used for mqtts; nil: the system's CAs, TLS 1.2 or newer.
	TLS *tls.Config
	// MaxRecord is the largest Record taken, in bytes; default 5 MiB.
	MaxRecord int
	// KeepAlive is that of the CONNECT; default 60 s [R-MQTT.14].
	KeepAlive time.Duration
	// ConnectTimeout bounds TCP, TLS, CONNECT and SUBSCRIBE; default 10 s.
	ConnectTimeout time.Duration
	// CloseTimeout bounds the flush of a Link that is closed; default 5 s.
	CloseTimeout time.Duration
	// Retry is the wait between attempts to connect [R-MQTT.10].
	Retry mtp.BackoffOptions
	// Log takes one line per event; nil: none.
	Log *zap.Logger
	// Metrics is where the metrics of package mtp are registered; nil: none.
	Metrics prometheus.Registerer
}

func (o *ClientOptions) setDefaults() error {
	def(&o.Name, "mqtt")
	def(&o.Topics, DefaultTopics())
	def(&o.MaxRecord, DefaultMaxRecord)
	def(&o.KeepAlive, time.Minute)
	def(&o.ConnectTimeout, 10*time.Second)
	def(&o.CloseTimeout, DefaultCloseTimeout)
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	o.Log = o.Log.Named("mtp.mqtt").With(zap.String("listener", o.Name))
	if o.TLS == nil {
		o.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	switch {
	case o.Endpoint == "":
		return errors.New("mqtt: a client needs its own Endpoint ID")
	case o.Role == usp.RoleUnknown:
		return errors.New("mqtt: a client needs its own role")
	}
	return o.Topics.check()
}
