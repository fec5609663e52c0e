// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"crypto/tls"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mqtt"
	"github.com/uspgate/uspgate/usp"
)

func (b *binding) topics() mqtt.Topics {
	return mqtt.Topics{Agent: b.Topics.Agent, Controller: b.Topics.Controller}
}

func (b *binding) mqttServer(conf *tls.Config) (mtp.Transport, error) {
	proxies, err := networks(b.ProxyFrom)
	if err != nil {
		return nil, err
	}
	var auth mqtt.AuthFunc
	if b.Auth.Mode == "password" {
		users := newUsers(b.Auth.Users)
		auth = func(l mqtt.Login) (mtp.Identity, error) { return users.identify(l.Username, l.Password) }
	}
	return mqtt.NewServer(mqtt.ServerOptions{
		Name: b.Name, Listen: b.Listen, TLS: conf, Role: b.role, Topics: b.topics(), Auth: auth,
		RecordFilters: b.Records, Plain: b.Plain, Patterns: b.SpeaksFor, Order: b.Order,
		ProxyFrom: proxies, MaxConnections: b.MaxConnections, MaxConnectionsPerAddress: b.MaxPerAddress,
		NoConnectRecords: !b.ConnectRecords, MaxRecord: int(b.MaxRecord), MaxHold: b.maxHold(), Log: b.o.Log, Metrics: b.reg,
	})
}

func (b *binding) mqttClient(who as) (mtp.Transport, error) {
	version := mqtt.Version5
	if b.Version == "3.1.1" {
		version = mqtt.Version311
	}
	o := mqtt.ClientOptions{
		Name: b.Name, URL: b.Connect, Username: b.Username, Password: b.Password.Reveal(), Version: version,
		Endpoint: b.own(who), Role: b.role.Opposite(), Topics: b.topics(), Prefix: b.Prefix,
		Subscriptions: b.Subscriptions, Presence: b.Presence, Patterns: b.SpeaksFor, Order: b.Order,
		RepeatAfter: time.Duration(b.RepeatAfter),
		KeepAlive:   time.Duration(b.KeepAlive), MaxRecord: int(b.MaxRecord), MaxHold: b.maxHold(), TLS: who.tls,
		NoConnectRecords: !b.ConnectRecords, Retry: b.retry(), Hold: who.hold, Log: b.o.Log, Metrics: b.reg,
	}
	if who.id != "" {
		o.Presents, o.Peer, o.Announce = true, usp.EndpointID(b.Peer), b.Presence != ""
	} else {
		o.Shared = true
		o.ClientID = b.EndpointID
		o.Announce = b.Presence != ""
	}
	return mqtt.NewClient(o)
}
