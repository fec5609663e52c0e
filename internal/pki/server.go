// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto/tls"
	"errors"
	"time"
)

// ErrNoCertificate says that the Source has no certificate to show.
var ErrNoCertificate = errors.New("pki: no certificate is configured")

// ServerConfig is for a listener. Each handshake has its certificate, client
// CA and CRL as they are then; a resumed one is held to them, too. What the
// caller adds to the Config besides is not used, since GetConfigForClient,
// which may be called with nil, replaces it. It is a new Config at every call.
func (s *Source) ServerConfig() *tls.Config {
	st := s.current.Load()
	c := &tls.Config{
		MinVersion: tls.VersionTLS12,
		ClientAuth: st.server.ClientAuth,
		ClientCAs:  st.server.ClientCAs,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return s.current.Load().server, nil
		},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if st := s.current.Load(); st.cert != nil {
				return st.cert, nil
			}
			return nil, ErrNoCertificate
		},
		VerifyConnection: func(cs tls.ConnectionState) error { return s.current.Load().verifyClient(cs) },
	}
	c.MinVersion = s.o.MinVersion
	return c
}

// serverConfig is shared by all handshakes of one state; the keys of session
// tickets are those of the Config that ServerConfig returned.
func (st *state) serverConfig(o *Options) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ClientCAs: st.roots, VerifyConnection: st.verifyClient}
	c.MinVersion = o.MinVersion
	if st.cert != nil {
		c.Certificates = []tls.Certificate{*st.cert}
	}
	switch {
	case st.roots == nil:
	case o.OptionalClient:
		c.ClientAuth = tls.VerifyClientCertIfGiven
	default:
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return c
}

// verifyClient follows the verification of the chain by crypto/tls, which for
// a resumed session checks that its root is still trusted.
func (st *state) verifyClient(cs tls.ConnectionState) error {
	if len(cs.PeerCertificates) == 0 {
		return nil
	}
	return st.checkChains(cs.VerifiedChains, time.Now())
}
