// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// Version is a version of MQTT.
type Version uint8

// The versions, by their protocol level.
const (
	Version311 Version = 4
	Version5   Version = 5
)

// ClientOptions configure a Client: one Endpoint on another's broker, or with
// Shared as many as are represented.
type ClientOptions struct {
	// Name is the binding's name in the configuration; "": "mqtt".
	Name string
	// URL of the broker, mqtt://[user:password@]host[:port] or mqtts://.
	URL string
	// Username and Password of the CONNECT; "": those of URL [R-MQTT.7].
	Username, Password string
	// Version of MQTT; 0: Version5.
	Version Version
	// Endpoint is the own Endpoint ID, sent as usp-endpoint-id [R-MQTT.13].
	// Required, but with Shared.
	Endpoint usp.EndpointID
	// Role is the own role: it decides the own topic. Required, but with Shared,
	// where a role means that all that are represented have it.
	Role usp.Role
	// Presents says that the connection is Endpoint's alone: Peer.Presents.
	// Several Clients, each with its own Endpoint, ClientID, user and topic, are
	// several Endpoints on that broker.
	Presents bool
	// Peer is the one counterpart there is on the broker: Peer.Endpoint, and the
	// only one that the Link may speak for. "": there are many, and the Link is
	// Peer.Shared.
	Peer usp.EndpointID
	// Shared has the Endpoints of this gateway share the connection: those
	// given to Represent are subscribed for, each with its own topic.
	Shared bool
	// Prefix, with Shared, is a topic of the gateway's own, such as
	// uspgate/gw1: one subscription to all that is below it replaces those for
	// each Endpoint, whose topics are PREFIX/agent/<Endpoint ID> and
	// PREFIX/controller/<Endpoint ID>. Topics are the counterparts' then.
	Prefix string
	// Below subscribes in MQTT 5 to what is below each own topic as well, so
	// that 3.1.1 counterparts are heard [R-MQTT.24]. 3.1.1 always does.
	Below bool
	// MaxRepresented bounds the Endpoints that are represented at a time;
	// default 100,000.
	MaxRepresented int
	// MaxFilters bounds the filters in one SUBSCRIBE; default 64.
	MaxFilters int
	// MaxPeers bounds the counterparts whose reply topic is remembered as their
	// own until they say otherwise; default 16,384, negative: none is.
	MaxPeers int
	// Patterns are the Endpoint IDs with * that may speak over the broker;
	// they become Identity.Patterns. None: any, as Peer says.
	Patterns []string
	// Order becomes Peer.Order.
	Order int
	// ClientID of the CONNECT; "": the one that the broker assigns, which is
	// kept for as long as the Client lives; in MQTT 3.1.1 the Endpoint ID
	// [R-MQTT.8, R-MQTT.9, R-MQTT.11].
	ClientID string
	// Topics are the topics of Endpoints; zero: DefaultTopics.
	Topics Topics
	// Subscriptions are filters to subscribe to beside the own topic and those
	// that the broker names [R-MQTT.15]. Only these reach topics of others: what
	// comes there for Endpoints that are elsewhere is the router's to refuse.
	Subscriptions []string
	// Presence is the template of the topics, {endpoint_id} being one level,
	// on which counterparts on the broker say whether they are there: retained
	// messages and wills. Nothing, 0 or offline is gone, all else is there. "":
	// there are none.
	Presence string
	// Announce says on the own topic of Presence, retained, that Endpoint is
	// there, and that it is gone by a will and at the end.
	Announce bool
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
	// MaxHold is how long a Record for which the buffer has no room is held; it
	// becomes Peer.MaxHold. Default 2 s, negative: not at all. With a SessionExpiry
	// it is not acknowledged then, so that the broker keeps it.
	MaxHold time.Duration
	// RepeatAfter is how long after the first Record that was not acknowledged the
	// connection is opened anew, upon which the broker sends it again. Default 30 s.
	RepeatAfter time.Duration
	// NoConnectRecords becomes Peer.NoConnectRecords.
	NoConnectRecords bool
	// Retry is the wait between attempts to connect [R-MQTT.10].
	Retry mtp.BackoffOptions
	// Hold, if set, is called before every attempt and blocks while dialling
	// should rest.
	Hold mtp.HoldFunc
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
	if o.Version == Version311 {
		def(&o.ClientID, string(o.Endpoint))
	}
	def(&o.Topics, DefaultTopics())
	def(&o.MaxRecord, DefaultMaxRecord)
	def(&o.MaxInflight, DefaultMaxInflight)
	def(&o.MaxRepresented, DefaultMaxRepresented)
	def(&o.MaxFilters, DefaultMaxFilters)
	def(&o.MaxPeers, DefaultMaxPeers)
	def(&o.KeepAlive, DefaultKeepAlive)
	def(&o.ConnectTimeout, DefaultHandshakeTimeout)
	def(&o.WriteTimeout, DefaultWriteTimeout)
	def(&o.CloseTimeout, DefaultCloseTimeout)
	def(&o.MaxHold, DefaultMaxHold)
	def(&o.RepeatAfter, DefaultRepeatAfter)
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	o.Log = o.Log.Named("mtp.mqtt").With(zap.String("listener", o.Name))
	if o.TLS == nil {
		o.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	o.TLS = mtp.AtLeastTLS12(o.TLS)
	return errors.Join(o.checkRole(), o.checkTopics(), checkInflight(o.MaxInflight), o.Topics.check())
}

// checkRole reports what does not go together.
func (o *ClientOptions) checkRole() error {
	switch {
	case o.Endpoint == "" && !o.Shared:
		return errors.New("mqtt: a client needs its own Endpoint ID, or to be shared")
	case o.Role == usp.RoleUnknown && !o.Shared:
		return errors.New("mqtt: a client needs its own role, or to be shared")
	case o.Shared && (o.Presents || o.Peer != ""):
		return errors.New("mqtt: a shared client presents many Endpoints to many")
	case o.Prefix != "" && !o.Shared:
		return errors.New("mqtt: Prefix is for a shared client")
	case o.Announce && (o.Presence == "" || o.Endpoint == ""):
		return errors.New("mqtt: Announce needs Presence and an Endpoint")
	case o.Version != Version5 && o.Version != Version311:
		return fmt.Errorf("mqtt: version %d: want 5, or 4 for MQTT 3.1.1", o.Version)
	case o.KeepAlive < time.Second || o.KeepAlive > maxIDs*time.Second:
		return errors.New("mqtt: KeepAlive is 1 s to 65535 s")
	case o.RepeatAfter < 0:
		return errors.New("mqtt: RepeatAfter is positive")
	}
	return nil
}

func (o *ClientOptions) checkTopics() error {
	if isFilter(o.Prefix) || strings.HasPrefix(o.Prefix, "$") {
		return fmt.Errorf("mqtt: prefix %q: want a topic", o.Prefix)
	}
	if o.Presence != "" {
		if err := checkTemplate(o.Presence); err != nil {
			return err
		}
		if !slices.Contains(strings.Split(o.Presence, "/"), placeholder) {
			return fmt.Errorf("mqtt: presence template %q: want %s as a level", o.Presence, placeholder)
		}
	}
	return checkFilters(o.Subscriptions)
}
