// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"crypto/tls"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/coap"
	"github.com/uspgate/uspgate/usp"
)

func (b *binding) coapLink() (coap.LinkOptions, error) {
	answers, err := networks(b.ReplyTo)
	return coap.LinkOptions{
		Name: b.Name, Path: b.Path, Advertise: b.Advertise, MaxRecord: int(b.MaxRecord), MaxHold: b.maxHold(),
		ReplyTo: answers, ReplyToSource: b.ReplyToSource, ReplyToOptional: b.ReplyToOptional,
		Order: b.Order, Patterns: b.SpeaksFor, Log: b.o.Log, Metrics: b.reg,
	}, err
}

func (b *binding) coapServer(conf *tls.Config) (mtp.Transport, error) {
	link, err := b.coapLink()
	if err != nil {
		return nil, err
	}
	return coap.NewServer(coap.ServerOptions{
		LinkOptions: link,
		Listen:      b.Listen, TLS: conf, Role: b.role, MaxPeers: b.MaxConnections,
		MaxPeersPerAddress: b.MaxPerAddress,
	})
}

func (b *binding) coapClient(who as) (mtp.Transport, error) {
	link, err := b.coapLink()
	if err != nil {
		return nil, err
	}
	return coap.NewClient(coap.ClientOptions{
		LinkOptions: link,
		URL:         b.Connect, Listen: b.Listen, Peer: usp.EndpointID(b.Peer), Role: b.role,
		TLS: who.tls, Retry: b.retry(),
	})
}
