// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"crypto/tls"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/stomp"
	"github.com/uspgate/uspgate/usp"
)

func (b *binding) stompLink() stomp.LinkOptions {
	return stomp.LinkOptions{
		Name:         b.Name,
		Destinations: stomp.Destinations{Agent: b.Destinations.Agent, Controller: b.Destinations.Controller},
		HeartBeat:    time.Duration(b.KeepAlive), MaxRecord: int(b.MaxRecord), MaxHold: b.maxHold(),
		Order: b.Order, Patterns: b.SpeaksFor,
		NoConnectRecords: !b.ConnectRecords, Log: b.o.Log, Metrics: b.reg,
	}
}

func (b *binding) stompServer(conf *tls.Config) (mtp.Transport, error) {
	proxies, err := networks(b.ProxyFrom)
	if err != nil {
		return nil, err
	}
	var auth stomp.AuthFunc
	if b.Auth.Mode == "password" {
		users := newUsers(b.Auth.Users)
		auth = func(l stomp.Login) (mtp.Identity, error) { return users.identify(l.Username, l.Password) }
	}
	return stomp.NewServer(stomp.ServerOptions{
		LinkOptions: b.stompLink(),
		Listen:      b.Listen, TLS: conf, Role: b.role, Auth: auth,
		ProxyFrom: proxies, MaxConnections: b.MaxConnections, MaxConnectionsPerAddress: b.MaxPerAddress,
	})
}

func (b *binding) stompClient(who as) (mtp.Transport, error) {
	return stomp.NewClient(stomp.ClientOptions{
		LinkOptions: b.stompLink(),
		URL:         b.Connect, Username: b.Username, Password: b.Password.Reveal(), VirtualHost: b.VirtualHost,
		Endpoint: b.own(who), Role: b.role.Opposite(), Shared: who.id == "", Presents: who.id != "",
		Peer: usp.EndpointID(b.Peer), NoReceipts: !b.Receipts,
		TLS: who.tls, Retry: b.retry(), Hold: who.hold,
	})
}
