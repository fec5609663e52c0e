// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha1" // what old CPE were signed with
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Legacy makes the TLS of a Server that of old CPE: TLS 1.0 and 1.1 as well, RSA key
// exchange, CBC and 3DES, but not RC4.
//
// A client of TLS 1.2 that signs or wants signatures with SHA-1 only, and has no RSA
// key exchange either, needs GODEBUG=tlssha1=1 in addition.
type Legacy struct {
	// ClientCAs are authorities whose client certificates may be signed with SHA-1,
	// which crypto/x509 does not verify: beside Config.ClientCAs, which verify as
	// usual. Name constraints are not looked at, so such an authority has none.
	ClientCAs []*x509.Certificate
}

// legacyDepth bounds a chain that is verified here.
const legacyDepth = 5

// config returns c for old CPE. It verifies every client certificate that it gets.
func (l *Legacy) config(c *tls.Config) *tls.Config {
	out := l.one(c)
	f := c.GetConfigForClient
	if f == nil {
		return out
	}
	type made struct{ from, to *tls.Config }
	var latest atomic.Pointer[made]
	out.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		from, err := f(hello)
		if err != nil || from == nil {
			return nil, err
		}
		if m := latest.Load(); m != nil && m.from == from {
			return m.to, nil
		}
		m := &made{from, l.one(from)}
		latest.Store(m)
		return m.to, nil
	}
	return out
}

func (l *Legacy) one(c *tls.Config) *tls.Config {
	out := c.Clone()
	out.MinVersion = tls.VersionTLS10
	out.CipherSuites = nil
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if !strings.Contains(s.Name, "RC4") {
			out.CipherSuites = append(out.CipherSuites, s.ID)
		}
	}
	switch c.ClientAuth {
	case tls.VerifyClientCertIfGiven:
		out.ClientAuth = tls.RequestClientCert
	case tls.RequireAndVerifyClientCert:
		out.ClientAuth = tls.RequireAnyClientCert
	case tls.NoClientCert, tls.RequestClientCert, tls.RequireAnyClientCert:
	}
	out.VerifyConnection = func(cs tls.ConnectionState) error {
		if len(cs.PeerCertificates) > 0 {
			var err error
			if cs.VerifiedChains, err = l.verify(cs.PeerCertificates, c.ClientCAs); err != nil {
				return err
			}
		}
		if c.VerifyConnection != nil {
			return c.VerifyConnection(cs)
		}
		return nil
	}
	return out
}

var errLegacyChain = errors.New("acs: client certificate of an unknown authority")

// verify verifies a client's certificates as crypto/tls does, or else with SHA-1.
func (l *Legacy) verify(certs []*x509.Certificate, roots *x509.CertPool) ([][]*x509.Certificate, error) {
	if roots != nil {
		o := x509.VerifyOptions{
			Roots: roots, Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		}
		for _, c := range certs[1:] {
			o.Intermediates.AddCert(c)
		}
		chains, err := certs[0].Verify(o)
		if err == nil {
			return chains, nil
		}
	}
	leaf, now := certs[0], time.Now()
	if !clientAuth(leaf) {
		return nil, errLegacyChain
	}
	chain := []*x509.Certificate{leaf}
	for cur := leaf; len(chain) < legacyDepth; {
		if now.Before(cur.NotBefore) || now.After(cur.NotAfter) || len(cur.UnhandledCriticalExtensions) > 0 {
			return nil, errLegacyChain
		}
		if ca := issuerOf(cur, l.ClientCAs); ca != nil {
			return [][]*x509.Certificate{append(chain, ca)}, nil
		}
		if cur = issuerOf(cur, certs[1:]); cur == nil || slices.Contains(chain, cur) {
			break
		}
		chain = append(chain, cur)
	}
	return nil, errLegacyChain
}

func clientAuth(c *x509.Certificate) bool {
	return len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) == 0 ||
		slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageClientAuth) || slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny)
}

// issuerOf returns which of the authorities has signed c; nil: none.
func issuerOf(c *x509.Certificate, authorities []*x509.Certificate) *x509.Certificate {
	for _, ca := range authorities {
		if ca.BasicConstraintsValid && ca.IsCA && bytes.Equal(ca.RawSubject, c.RawIssuer) && signed(c, ca) {
			return ca
		}
	}
	return nil
}

// signed reports whether ca has signed c, with SHA-1 or better.
func signed(c, ca *x509.Certificate) bool {
	sum := sha1.Sum(c.RawTBSCertificate)
	switch c.SignatureAlgorithm {
	case x509.SHA1WithRSA:
		key, ok := ca.PublicKey.(*rsa.PublicKey)
		return ok && rsa.VerifyPKCS1v15(key, crypto.SHA1, sum[:], c.Signature) == nil
	case x509.ECDSAWithSHA1:
		key, ok := ca.PublicKey.(*ecdsa.PublicKey)
		return ok && ecdsa.VerifyASN1(key, sum[:], c.Signature)
	default:
		return ca.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
	}
}
