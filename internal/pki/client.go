// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// ClientConfig is for connections to a server by the host name or address
// serverName, shown the own certificate if there is one and if the server asks.
// Its certificate must come from CA (or the system's, without one), must not be
// revoked, and must name serverName or, as URN, the Endpoint ID peer, if that
// is not empty [R-MTP.4]. A serverName below .local or .home.arpa need not be
// named: nobody can vouch for those. It is a new Config at every call.
//
// With CA, its GetConfigForClient is for what the server opens to us, as in
// CoAP: the server needs a certificate there, of which CA and CRL are checked.
func (s *Source) ClientConfig(serverName string, peer usp.EndpointID) *tls.Config {
	return s.clientConfig(serverName, peer, func() (*tls.Certificate, error) {
		if st := s.current.Load(); st.cert != nil {
			return st.cert, nil
		}
		return new(tls.Certificate), nil // none, says crypto/tls
	})
}

func (s *Source) clientConfig(
	serverName string, peer usp.EndpointID, certificate func() (*tls.Certificate, error),
) *tls.Config {
	c := &tls.Config{
		MinVersion: s.o.MinVersion,
		ServerName: serverName,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return certificate()
		},
		// crypto/tls verifies against roots that cannot change; verifyServer
		// does the same against those of the moment, also for a resumed session.
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection verifies
		VerifyConnection: func(cs tls.ConnectionState) error {
			return s.current.Load().verifyServer(cs.PeerCertificates, serverName, peer)
		},
	}
	if s.o.CA != "" {
		c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
			accept := s.current.Load().server.Clone()
			accept.Certificates, accept.ClientAuth = nil, tls.RequireAndVerifyClientCert
			accept.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return certificate() }
			return accept, nil
		}
	}
	return c
}

// verifyServer checks dates, chain, name and revocation.
func (st *state) verifyServer(certs []*x509.Certificate, serverName string, peer usp.EndpointID) error {
	if len(certs) == 0 {
		return errors.New("pki: the server showed no certificate [R-MTP.1]")
	}
	o := x509.VerifyOptions{Roots: st.roots, CurrentTime: time.Now(), Intermediates: x509.NewCertPool()}
	for _, c := range certs[1:] {
		o.Intermediates.AddCert(c)
	}
	chains, err := certs[0].Verify(o)
	if err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: certs, Err: err}
	}
	named := peer != "" && slices.Contains(mtp.CertificateURNs(certs[0]), peer)
	if !named && !unnameable(serverName) {
		if err := certs[0].VerifyHostname(serverName); err != nil {
			return &tls.CertificateVerificationError{UnverifiedCertificates: certs, Err: err}
		}
	}
	return st.checkChains(chains, o.CurrentTime)
}

// unnameable reports whether the name is one of a home network [R-MTP.4].
func unnameable(serverName string) bool {
	name := strings.ToLower(strings.TrimSuffix(serverName, "."))
	return strings.HasSuffix(name, ".local") || strings.HasSuffix(name, ".home.arpa")
}
