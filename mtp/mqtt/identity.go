// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/listen"
	"github.com/uspgate/uspgate/usp"
)

// methodNone is the Identity.Method of clients that are taken at their word.
const methodNone = "none"

// identify finds out who has sent the CONNECT: by certificate, by the
// configured AuthFunc, or by its word.
func (l *link) identify(pk *packets.Packet) error {
	remote := l.conn.RemoteAddr()
	login := Login{
		ClientID: l.clientID,
		Username: string(pk.Connect.Username), Password: string(pk.Connect.Password),
		Endpoint: claimed(pk), Remote: remote.String(),
	}
	identity, err := l.authenticate(&login)
	if err != nil {
		return err
	}
	endpoint := login.Endpoint
	if endpoint == "" {
		endpoint = identity.One()
	}
	if endpoint != "" && !identity.Allows(endpoint) {
		return fmt.Errorf("authenticated as %v and claims to be %s: %w", identity.IDs, endpoint, mtp.ErrForbidden)
	}
	if l.role = l.server.opts.Role; l.role != usp.RoleUnknown {
		l.roleRank = roleConnected
	}
	l.trunk = identity.Any || len(identity.IDs)+len(identity.Patterns) > 0 && identity.One() == ""
	_, encrypted := l.conn.Conn.(*tls.Conn)
	l.peer = mtp.Peer{
		Kind: mtp.MQTT, Listener: l.server.opts.Name, Remote: login.Remote,
		Loopback: listen.Loopback(l.conn.Conn), Protected: encrypted,
		Endpoint: endpoint, Identity: identity, Shared: l.server.opts.Shared, Order: l.server.opts.Order,
		NoConnectRecords: l.server.opts.NoConnectRecords, MaxHold: l.server.opts.MaxHold, Acks: true,
		MaxRecord: int(pk.Properties.MaximumPacketSize), // the flow knows it to the byte
	}
	return nil
}

// claimed is the Endpoint ID that a CONNECT names: its usp-endpoint-id
// [R-MQTT.13], or a ClientID that is one [R-MQTT.8].
func claimed(pk *packets.Packet) usp.EndpointID {
	for _, p := range pk.Properties.User {
		if p.Key == "usp-endpoint-id" {
			return usp.EndpointID(strings.Clone(p.Val))
		}
	}
	if id, err := usp.ParseEndpointID(pk.Connect.ClientIdentifier); err == nil {
		return usp.EndpointID(strings.Clone(string(id)))
	}
	return ""
}

// authenticate bounds whom the client may speak for: by its certificate
// [R-SEC.0a], by the configured AuthFunc, and by what holds for all clients.
func (l *link) authenticate(login *Login) (mtp.Identity, error) {
	identity, err := l.prove(login)
	if err != nil {
		return mtp.Identity{}, err
	}
	o := &l.server.opts
	if len(o.Patterns) > 0 {
		identity.Patterns = slices.Concat(identity.Patterns, o.Patterns)
	}
	if o.Shared && len(identity.IDs) == 0 && len(identity.Patterns) == 0 {
		identity.Any = true
	}
	return identity, nil
}

func (l *link) prove(login *Login) (mtp.Identity, error) {
	o := &l.server.opts
	if chain := l.certificates(); len(chain) > 0 {
		cert := chain[0]
		id := mtp.Identity{
			Method: "certificate", IDs: mtp.CertificateIDs(cert), Name: cert.Subject.String(), Chain: chain,
		}
		if len(id.IDs) > 0 || o.Shared || len(o.Patterns) > 0 {
			return id, nil
		}
		if o.Auth == nil {
			return mtp.Identity{}, fmt.Errorf("the certificate names no Endpoint ID: %w", mtp.ErrForbidden)
		}
	}
	if o.Auth == nil {
		return mtp.Identity{Method: methodNone}, nil // a claim proves nothing
	}
	id, err := o.Auth(*login)
	if id.Name == "" {
		id.Name = login.Username
	}
	return id, err
}

// certificates returns the client's certificate with its chain if it was verified, by the
// library or by a callback of the TLS configuration.
func (l *link) certificates() []*x509.Certificate {
	t, ok := l.conn.Conn.(*tls.Conn)
	if !ok {
		return nil
	}
	state, conf := t.ConnectionState(), l.server.opts.TLS
	callback := conf.VerifyPeerCertificate != nil || conf.VerifyConnection != nil
	if len(state.PeerCertificates) == 0 || len(state.VerifiedChains) == 0 && !callback {
		return nil
	}
	return mtp.Chain(&state)
}
