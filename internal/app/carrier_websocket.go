// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"crypto/tls"
	"net/http"
	"net/netip"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/usp"
)

func (b *binding) webSocketLink() ws.LinkOptions {
	return ws.LinkOptions{
		Name: b.Name, KeepAlive: time.Duration(b.KeepAlive), MaxRecord: int(b.MaxRecord), MaxHold: b.maxHold(),
		Order: b.Order, Patterns: b.SpeaksFor,
		NoConnectRecords: !b.ConnectRecords, Log: b.o.Log, Metrics: b.reg,
	}
}

func (b *binding) webSocketServer(conf *tls.Config) (mtp.Transport, error) {
	proxies, err := networks(b.ProxyFrom)
	if err != nil {
		return nil, err
	}
	var auth ws.AuthFunc
	if b.Auth.Mode == "password" {
		users := newUsers(b.Auth.Users)
		auth = func(r *http.Request) (mtp.Identity, error) {
			name, password, _ := r.BasicAuth()
			return users.identify(name, password)
		}
	}
	return ws.NewServer(ws.ServerOptions{
		LinkOptions: b.webSocketLink(),
		Listen:      b.Listen, Path: b.Path, TLS: conf, Role: b.role, Shared: b.Trunk, Auth: auth,
		ProxyFrom: proxies, MaxConnections: b.MaxConnections, MaxConnectionsPerAddress: b.MaxPerAddress,
	})
}

func (b *binding) webSocketClient(who as) (mtp.Transport, error) {
	header := http.Header{}
	if b.Username != "" {
		r := http.Request{Header: header}
		r.SetBasicAuth(b.Username, b.Password.Reveal())
	}
	sources := make([]netip.Addr, 0, len(b.SourceAddresses))
	for _, s := range b.SourceAddresses {
		addr, err := netip.ParseAddr(s)
		if err != nil {
			return nil, err
		}
		sources = append(sources, addr)
	}
	return ws.NewClient(ws.ClientOptions{
		LinkOptions: b.webSocketLink(),
		URL:         b.Connect, Endpoint: b.own(who), Carrier: who.id == "", Peer: usp.EndpointID(b.Peer),
		Role: b.role, Shared: b.Trunk, TLS: who.tls, Header: header, SourceAddresses: sources,
		Retry: b.retry(), Hold: who.hold, Buffers: who.buffers,
	})
}
