// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// identify finds out who has sent the CONNECT: by certificate, by the
// configured AuthFunc, or by its word.
func (l *link) identify(pk *packets.Packet) error {
	remote := l.conn.RemoteAddr().String()
	login := Login{
		ClientID: l.client.ID, Username: string(pk.Connect.Username), Password: string(pk.Connect.Password),
		Endpoint: claimed(pk), Remote: remote,
	}
	identity, err := l.authenticate(&login)
	if err != nil {
		return err
	}
	endpoint := login.Endpoint
	switch {
	case endpoint == "" && len(identity.IDs) == 1:
		endpoint = identity.IDs[0]
	case endpoint != "" && len(identity.IDs) > 0 && !slices.Contains(identity.IDs, endpoint):
		return fmt.Errorf("authenticated as %s and claims to be %s: %w", identity.IDs[0], endpoint, mtp.ErrForbidden)
	}
	l.role = l.server.opts.Role
	l.peer = mtp.Peer{
		Kind: mtp.MQTT, Listener: l.server.opts.Name, Remote: remote,
		Loopback: loopback(l.conn.LocalAddr()) && loopback(l.conn.RemoteAddr()),
		Endpoint: endpoint, Identity: identity,
		NoConnectRecords: l.server.opts.NoConnectRecords,
	}
	if size := int(l.client.Properties.Props.MaximumPacketSize); size > 0 {
		l.peer.MaxRecord = max(size-overhead, 1)
	}
	return nil
}

// claimed is the Endpoint ID that a CONNECT names: its usp-endpoint-id
// [R-MQTT.13], or a ClientID that is one [R-MQTT.8].
func claimed(pk *packets.Packet) usp.EndpointID {
	for _, p := range pk.Properties.User {
		if p.Key == "usp-endpoint-id" {
			return usp.EndpointID(p.Val)
		}
	}
	if id, err := usp.ParseEndpointID(pk.Connect.ClientIdentifier); err == nil {
		return id
	}
	return ""
}

func (l *link) authenticate(login *Login) (mtp.Identity, error) {
	if t, ok := l.conn.Conn.(*tls.Conn); ok {
		if certs := t.ConnectionState().PeerCertificates; len(certs) > 0 {
			ids := certificateIDs(certs[0])
			if len(ids) == 0 {
				return mtp.Identity{}, fmt.Errorf("the certificate names no Endpoint ID: %w", mtp.ErrForbidden)
			}
			return mtp.Identity{Method: "certificate", IDs: ids}, nil
		}
	}
	if l.server.opts.Auth != nil {
		return l.server.opts.Auth(*login)
	}
	identity := mtp.Identity{Method: "none"}
	if login.Endpoint != "" {
		identity.IDs = []usp.EndpointID{login.Endpoint}
	}
	return identity, nil
}

// certificateIDs are the Endpoint IDs in the SAN [R-SEC.0a].
func certificateIDs(c *x509.Certificate) []usp.EndpointID {
	var ids []usp.EndpointID
	for _, u := range c.URIs {
		if id, ok := strings.CutPrefix(u.String(), "urn:bbf:usp:id:"); ok {
			ids = append(ids, usp.EndpointID(id))
		}
	}
	return ids
}

func loopback(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	return ok && t.IP.IsLoopback()
}
