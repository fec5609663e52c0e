// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package uds

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// Where the sockets of a USP Broker are recommended to be: at the first one it
// presents its Agent, at the second one its Controller.
const (
	BrokerAgentPath      = "/var/run/usp/broker_agent_path"
	BrokerControllerPath = "/var/run/usp/broker_controller_path"
)

// Defaults of the options.
const (
	DefaultMode             fs.FileMode = 0o660
	DefaultMaxRecord                    = 5 << 20
	DefaultMaxFrame                     = 32 << 20
	DefaultMaxFields                    = 64
	DefaultMaxConnections               = 1000
	DefaultHandshakeTimeout             = 30 * time.Second // [R-UDS.18]
	DefaultFrameTimeout                 = 30 * time.Second
	DefaultStallTimeout                 = 60 * time.Second
	DefaultCloseTimeout                 = 5 * time.Second
	DefaultMaxHold                      = 60 * time.Second
	// DefaultRetryInterval and DefaultRetryMultiplier make every wait before a
	// client connects again a random one of 1 to 5 seconds [R-UDS.5].
	DefaultRetryInterval   = time.Second
	DefaultRetryMultiplier = 5000
)

// maxPath is what the address of a Unix domain socket holds on every system.
const maxPath = 103

// LinkOptions are what both roles have in common.
type LinkOptions struct {
	// Name is the binding's name in the configuration; "": "uds".
	Name string
	// Presents is the one Endpoint that the Links show: it is named in our
	// Handshake [R-UDS.17] and becomes Peer.Presents.
	Presents usp.EndpointID
	// Endpoint is the gateway's own Endpoint ID. It is named in our Handshake
	// if Presents is empty; Records of other Endpoints cross the Links then. One
	// of the two is required.
	Endpoint usp.EndpointID
	// Role is the role of the peers.
	Role usp.Role
	// Shared makes the Links trunks: Peer.Shared, and an Identity without
	// bounds unless Patterns, a certificate or Auth give one.
	Shared bool
	// Patterns become Identity.Patterns: what a Shared Link may speak for beside
	// what was proved, where * stands for any characters. On other Links they
	// bound who a peer that proved nothing may say it is. Empty: no bound.
	Patterns []string
	// Order becomes Peer.Order.
	Order int
	// NoConnectRecords becomes Peer.NoConnectRecords.
	NoConnectRecords bool
	// AllowUIDs and AllowGIDs, unless both are empty, demand that the peer
	// process has one of these user or group ids, as the kernel knows them from
	// the moment it connected or began to listen. Linux only: elsewhere nobody
	// is let in.
	AllowUIDs, AllowGIDs []uint32
	// MaxRecord is the largest Record taken from the peer, in bytes; 0: 5 MiB.
	// A larger one is answered with an Error field and ends the connection.
	MaxRecord int
	// MaxFrame is the largest frame, in bytes after its header; 0: 32 MiB, or
	// what a Record of MaxRecord needs if that is more. It ends like a Record
	// that is too large.
	MaxFrame int
	// MaxFields bounds the fields of one frame; 0: 64.
	MaxFields int
	// HandshakeTimeout bounds connecting, TLS and both Handshakes together;
	// 0: 30 s [R-UDS.18].
	HandshakeTimeout time.Duration
	// FrameTimeout bounds how long the rest of a field that has begun may take
	// to arrive; 0: 30 s.
	FrameTimeout time.Duration
	// StallTimeout ends a connection whose peer has taken nothing for as long,
	// or for at least half of it, while something waits for it; 0: 60 s.
	StallTimeout time.Duration
	// CloseTimeout bounds, at a graceful close, first the writing of what is
	// queued and then the wait for the peer's end; 0: 5 s.
	CloseTimeout time.Duration
	// QueueRecords and QueueBytes bound the queue towards one peer; 0: those
	// of mtp.OutboxOptions.
	QueueRecords, QueueBytes int
	// MaxHold is how long a Record for which the buffer has no room is held before
	// it is dropped, and counted; the peer is not read meanwhile once as much is
	// held as may be. Becomes Peer.MaxHold; default 60 s, negative: not at all.
	MaxHold time.Duration
	// Log takes one line per event; nil: none.
	Log *zap.Logger
	// Metrics is where the metrics of package mtp are registered; nil: none.
	Metrics prometheus.Registerer
}

// AuthFunc decides by what the kernel knows of a peer process whether it may be
// the Endpoint that its Handshake claims, and bounds it by an Identity. An error
// refuses the connection. c is the zero value where the system does not tell.
// Called concurrently.
type AuthFunc func(c Credentials, claimed usp.EndpointID) (mtp.Identity, error)

// ServerOptions configure a Server.
type ServerOptions struct {
	LinkOptions
	// Listen is the path of the socket, with or without unix:// before it; "":
	// BrokerControllerPath if Role is that of Agents, BrokerAgentPath if it is
	// that of Controllers. A socket that nobody answers at is replaced, whatever
	// else is there is not.
	Listen string
	// Mode are the permissions of the socket: who may write to it may connect;
	// 0: 0660.
	Mode fs.FileMode
	// Owner and Group are the user and group that the socket is given to, names
	// or numbers; "": those of the process.
	Owner, Group string
	// TLS, if set, is spoken on the socket, 1.2 or newer [R-UDS.23a]. With
	// ClientCAs and ClientAuth the client's certificate names the Endpoint
	// [R-SEC.0a].
	TLS *tls.Config
	// Auth is asked about a peer that gave no verified certificate; nil: such
	// peers are taken at their word.
	Auth AuthFunc
	// MaxConnections bounds open connections, handshakes included; 0: 1,000,
	// negative: no bound. One too many is closed at once.
	MaxConnections int
}

// ClientOptions configure a Client.
type ClientOptions struct {
	LinkOptions
	// URL is the path of the server's socket, with or without unix:// before it.
	URL string
	// Peer is the Endpoint ID expected of the server; "": any. A server whose
	// Handshake names another is told so and left.
	Peer usp.EndpointID
	// TLS, if set, is spoken on the socket. Its ServerName is the name that the
	// certificate of the server has to bear; "": localhost.
	TLS *tls.Config
	// Retry is the wait before every further attempt, random between Interval
	// and Interval × Multiplier / 1000 and not growing; its zero values are
	// those of [R-UDS.5]: 1 s and 5000.
	Retry mtp.BackoffOptions
	// Hold, if set, is called before every attempt and blocks while connecting
	// should rest.
	Hold mtp.HoldFunc
	// GiveUp, if set, is asked after every connection that failed or ended.
	GiveUp mtp.GiveUpFunc
}

func (o *LinkOptions) setDefaults() error {
	if o.Name == "" {
		o.Name = "uds"
	}
	setDefault(&o.MaxRecord, DefaultMaxRecord)
	setDefault(&o.MaxFrame, max(DefaultMaxFrame, o.MaxRecord+fieldHeader))
	setDefault(&o.MaxFields, DefaultMaxFields)
	setDefault(&o.HandshakeTimeout, DefaultHandshakeTimeout)
	setDefault(&o.FrameTimeout, DefaultFrameTimeout)
	setDefault(&o.StallTimeout, DefaultStallTimeout)
	setDefault(&o.CloseTimeout, DefaultCloseTimeout)
	if o.MaxHold == 0 {
		o.MaxHold = DefaultMaxHold
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	o.Log = o.Log.Named("mtp.uds").With(zap.String("listener", o.Name))
	if o.own() == "" {
		return errors.New("uds: want Presents or Endpoint: a Handshake names one [R-UDS.16, R-UDS.17]")
	}
	if _, err := claimed([]byte(o.own())); err != nil {
		return fmt.Errorf("uds: own Endpoint ID: %w", err)
	}
	return nil
}

// own is the Endpoint ID in our Handshake.
func (o *LinkOptions) own() usp.EndpointID {
	if o.Presents != "" {
		return o.Presents
	}
	return o.Endpoint
}

func setDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

func (o *ServerOptions) setDefaults() error {
	if err := o.LinkOptions.setDefaults(); err != nil {
		return err
	}
	switch {
	case o.Listen != "":
	case o.Role == usp.RoleAgent:
		o.Listen = BrokerControllerPath
	case o.Role == usp.RoleController:
		o.Listen = BrokerAgentPath
	}
	var err error
	if o.Listen, err = socketPath(o.Listen); err != nil {
		return fmt.Errorf("uds: listen: %w", err)
	}
	if o.Mode == 0 {
		o.Mode = DefaultMode
	}
	if o.Mode&^fs.ModePerm != 0 {
		return fmt.Errorf("uds: mode %v: want permissions only", o.Mode)
	}
	if o.MaxConnections == 0 {
		o.MaxConnections = DefaultMaxConnections
	}
	if o.TLS != nil {
		o.TLS = mtp.AtLeastTLS12(o.TLS)
	}
	return nil
}

func (o *ClientOptions) setDefaults() error {
	if err := o.LinkOptions.setDefaults(); err != nil {
		return err
	}
	var err error
	if o.URL, err = socketPath(o.URL); err != nil {
		return fmt.Errorf("uds: URL: %w", err)
	}
	setDefault(&o.Retry.Interval, DefaultRetryInterval)
	setDefault(&o.Retry.Multiplier, DefaultRetryMultiplier)
	if o.TLS != nil {
		o.TLS = mtp.AtLeastTLS12(o.TLS)
		if o.TLS.ServerName == "" {
			o.TLS.ServerName = "localhost"
		}
	}
	return nil
}

// socketPath takes unix: or unix:// away and refuses what cannot be the path of a socket.
func socketPath(s string) (string, error) {
	path := strings.TrimPrefix(strings.TrimPrefix(s, "unix:"), "//")
	switch {
	case path == "":
		return "", errors.New("want the path of a socket")
	case strings.HasPrefix(path, "@"), strings.Contains(path, "\x00"):
		return "", fmt.Errorf("%q: want a path, not an abstract socket", path)
	case len(path) > maxPath:
		return "", fmt.Errorf("%q: the path of a socket has at most %d bytes", path, maxPath)
	}
	return path, nil
}
