// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"crypto/tls"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/coap"
	"github.com/uspgate/uspgate/usp"
)

func (b *binding) coapLink() coap.LinkOptions {
	return coap.LinkOptions{
		Name: b.Name, Path: b.Path, Advertise: b.Advertise, MaxRecord: int(b.MaxRecord),
		Order: b.Order, Patterns: b.SpeaksFor, Log: b.o.Log, Metrics: b.reg,
	}
}

func (b *binding) coapServer(conf *tls.Config) (mtp.Transport, error) {
	return coap.NewServer(coap.ServerOptions{
		LinkOptions: b.coapLink(),
		Listen:      b.Listen, TLS: conf, Role: b.role, MaxPeers: b.MaxConnections,
	})
}

func (b *binding) coapClient(who as) (mtp.Transport, error) {
	return coap.NewClient(coap.ClientOptions{
		LinkOptions: b.coapLink(),
		URL:         b.Connect, Listen: b.Listen, Peer: usp.EndpointID(b.Peer), Role: b.role,
		TLS: who.tls, Retry: b.retry(),
	})
}
