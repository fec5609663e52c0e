// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uspgate/uspgate/cwmp/acs"
	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/internal/pki"
	"github.com/uspgate/uspgate/usp"
)

// source reads the files of a TLS block and keeps an eye on them while the
// gateway runs. authorities are the CAs of the peers.
func (a *App) source(o Options, reg *prometheus.Registry, name string, c *config.TLS, authorities string,
	change ...func(*pki.Options),
) (*pki.Source, error) {
	version := uint16(tls.VersionTLS12)
	if c.MinVersion == "1.3" {
		version = tls.VersionTLS13
	}
	options := pki.Options{
		Files:      pki.Files{Cert: c.Cert, Key: c.Key, CA: authorities, CRL: c.CRL},
		Name:       name,
		MinVersion: version,
		SoftCRL:    c.CRLExpired == "allow",
		Log:        o.Log,
		Metrics:    reg,
	}
	for _, f := range change {
		f(&options)
	}
	s, err := pki.New(options)
	if err != nil {
		return nil, err
	}
	a.certificates = append(a.certificates, s)
	return s, nil
}

// serverTLS is for a listener; nil without a certificate.
func (a *App) serverTLS(o Options, reg *prometheus.Registry, name string, c *config.TLS) (*tls.Config, error) {
	if c.Cert == "" {
		return nil, nil //nolint:nilnil // no TLS is no error
	}
	s, err := a.source(o, reg, name, c, c.ClientCA)
	if err != nil {
		return nil, err
	}
	return s.ServerConfig(), nil
}

// cpeTLS is for the listener of CPE; nil without a certificate.
func (a *App) cpeTLS(o Options, reg *prometheus.Registry, c *config.CWMP) (*tls.Config, error) {
	if c.TLS.Cert == "" {
		return nil, nil //nolint:nilnil // no TLS is no error
	}
	files := c.TLS.Block()
	s, err := a.source(o, reg, "cwmp", &files, files.ClientCA, func(p *pki.Options) {
		p.OptionalClient = c.Auth.Certificates == "suffices"
	})
	if err != nil {
		return nil, err
	}
	return s.ServerConfig(), nil
}

// legacyTLS is what old CPE need besides; nil if it is not wanted. The authorities
// whose certificates may be signed with SHA-1 are those of now.
func legacyTLS(c *config.CPETLS) (*acs.Legacy, error) {
	if !c.Legacy {
		return nil, nil //nolint:nilnil // not wanted
	}
	l := new(acs.Legacy)
	if c.ClientCA == "" {
		return l, nil
	}
	text, err := os.ReadFile(c.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("client_ca: %w", err)
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		ca, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("client_ca: %w", err)
		}
		l.ClientCAs = append(l.ClientCAs, ca)
	}
	return l, nil
}

// clientTLS is for the one connection of a binding that connects; nil where the
// URL says that there is no TLS.
func (a *App) clientTLS(o Options, reg *prometheus.Registry, m *config.MTP) (*tls.Config, error) {
	host := secureHost(m.Connect)
	if host == "" {
		return nil, nil //nolint:nilnil // no TLS is no error
	}
	s, err := a.source(o, reg, m.Name, &m.TLS, m.TLS.ServerCA)
	if err != nil {
		return nil, err
	}
	return s.ClientConfig(host, usp.EndpointID(m.Peer)), nil
}

// credentials are for a binding with one connection per Agent; nil where the
// URL says that there is no TLS.
func (a *App) credentials(o Options, reg *prometheus.Registry, m *config.MTP) (pki.Credentials, error) {
	host := secureHost(m.Connect)
	if host == "" {
		return nil, nil //nolint:nilnil // no TLS is no error
	}
	trust, err := a.source(o, reg, m.Name, &m.TLS, m.TLS.ServerCA)
	if err != nil {
		return nil, err
	}
	target := pki.Target{Trust: trust, ServerName: host, Endpoint: usp.EndpointID(m.Peer)}
	switch c := &m.AgentCertificates; c.Mode {
	case "wildcard":
		certs := make([]*pki.Source, len(c.Files))
		for i, f := range c.Files {
			name := fmt.Sprintf("%s/agents/%d", m.Name, i)
			if certs[i], err = a.source(o, reg, name, &config.TLS{Cert: f.Cert, Key: f.Key}, ""); err != nil {
				return nil, err
			}
		}
		return pki.Wildcards(target, certs...), nil
	case "per_agent":
		ca, err := a.source(o, reg, m.Name+"/ca", &config.TLS{Cert: c.CACert, Key: c.CAKey}, "")
		if err != nil {
			return nil, err
		}
		issuer, err := pki.NewIssuer(pki.IssuerOptions{CA: ca, Validity: time.Duration(c.Validity)})
		if err != nil {
			return nil, err
		}
		return pki.PerAgent(target, issuer), nil
	default:
		return pki.TrustedBroker(target), nil
	}
}

// secureHost is the host of a URL whose scheme means TLS, empty for any other.
func secureHost(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	switch u.Scheme {
	case "wss", "mqtts", "stomps", "coaps":
		if host, _, err := net.SplitHostPort(u.Host); err == nil {
			return host
		}
		return u.Host
	default:
		return ""
	}
}
