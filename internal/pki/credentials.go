// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// ErrNoCredential says that there is no certificate in the name of that Endpoint.
var ErrNoCredential = errors.New("pki: no certificate names the Endpoint")

// Credentials prove to a server in whose name a Link speaks. Safe for
// concurrent use.
type Credentials interface {
	// ClientFor returns the Config for connections in the name of id. It stays
	// right when files change or a certificate nears its end: the certificate is
	// chosen in each handshake. ErrNoCredential, wrapped, if there is none now.
	ClientFor(id usp.EndpointID) (*tls.Config, error)
}

// Target is the server that Credentials are shown to.
type Target struct {
	// Trust says by which CA and CRL the server is verified.
	Trust *Source
	// ServerName and Endpoint are as in Source.ClientConfig.
	ServerName string
	Endpoint   usp.EndpointID
}

// TrustedBroker shows the certificate of t.Trust for every Endpoint, none if
// there is none. The peer must be configured to take its word for them
// [R-SEC.4a, R-SEC.4b].
func TrustedBroker(t Target) Credentials { return broker{t} }

type broker struct{ t Target }

func (b broker) ClientFor(usp.EndpointID) (*tls.Config, error) {
	return b.t.Trust.ClientConfig(b.t.ServerName, b.t.Endpoint), nil
}

// Wildcards shows the first of the certificates that names the Endpoint by an
// URN, exactly or by a wildcard: one per manufacturer, urn:bbf:usp:id:ops::00D09E-*
// for example [R-SEC.12].
func Wildcards(t Target, certs ...*Source) Credentials { return wildcards{t, certs} }

type wildcards struct {
	t     Target
	certs []*Source
}

func (w wildcards) ClientFor(id usp.EndpointID) (*tls.Config, error) {
	if _, err := w.certificate(id); err != nil {
		return nil, err
	}
	return w.t.Trust.clientConfig(w.t.ServerName, w.t.Endpoint, func() (*tls.Certificate, error) {
		return w.certificate(id)
	}), nil
}

func (w wildcards) certificate(id usp.EndpointID) (*tls.Certificate, error) {
	for _, s := range w.certs {
		st := s.current.Load()
		if st.cert == nil {
			continue
		}
		named := mtp.Identity{IDs: mtp.CertificateURNs(st.cert.Leaf)}
		if len(named.IDs) > 0 && named.Allows(id) {
			return st.cert, nil
		}
	}
	return nil, fmt.Errorf("%w: %q", ErrNoCredential, id)
}

// PerAgent shows a certificate of its own for each Endpoint, made by the
// Issuer when it is first needed.
func PerAgent(t Target, issuer *Issuer) Credentials { return perAgent{t, issuer} }

type perAgent struct {
	t      Target
	issuer *Issuer
}

func (p perAgent) ClientFor(id usp.EndpointID) (*tls.Config, error) {
	if _, err := p.issuer.Certificate(id); err != nil {
		return nil, err
	}
	return p.t.Trust.clientConfig(p.t.ServerName, p.t.Endpoint, func() (*tls.Certificate, error) {
		return p.issuer.Certificate(id)
	}), nil
}
