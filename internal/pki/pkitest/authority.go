// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package pkitest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/url"
	"testing"
	"time"
)

// Authority is a certificate authority. Its methods fail the test on an error
// and are not safe for concurrent use.
type Authority struct {
	Cert *x509.Certificate
	Key  *ecdsa.PrivateKey

	tb      testing.TB
	chain   [][]byte // of an intermediate: itself and those above, without the root
	number  int64    // of the next CRL
	revoked []x509.RevocationListEntry
}

// NewAuthority makes a root called name.
func NewAuthority(tb testing.TB, name string) *Authority {
	tb.Helper()
	a := &Authority{tb: tb}
	c := a.sign(caTemplate(name), nil)
	a.Cert, a.Key = c.Leaf, key(c)
	return a
}

// Intermediate makes an authority below a.
func (a *Authority) Intermediate(name string) *Authority {
	a.tb.Helper()
	c := a.sign(caTemplate(name), a)
	return &Authority{Cert: c.Leaf, Key: key(c), tb: a.tb, chain: c.Certificate}
}

func caTemplate(name string) *x509.Certificate {
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
}

// Issue makes a certificate for both roles in TLS, valid on loopback and as
// localhost from an hour ago for an hour, that names the Endpoints by URN. The
// intermediates are part of it.
func (a *Authority) Issue(endpoints ...string) tls.Certificate {
	a.tb.Helper()
	return a.IssueAs(&x509.Certificate{}, endpoints...)
}

// IssueAs is Issue from a template, of which only what is missing is filled
// in; an empty, not nil DNSNames keeps the certificate from naming this host.
func (a *Authority) IssueAs(c *x509.Certificate, endpoints ...string) tls.Certificate {
	a.tb.Helper()
	if c.DNSNames == nil {
		c.DNSNames = []string{"localhost"}
		c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	}
	if c.ExtKeyUsage == nil {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	}
	c.KeyUsage = x509.KeyUsageDigitalSignature
	for _, id := range endpoints {
		c.URIs = append(c.URIs, &url.URL{Scheme: "urn", Opaque: "bbf:usp:id:" + id})
	}
	if c.Subject.CommonName == "" {
		c.Subject = pkix.Name{CommonName: "test"}
	}
	return a.sign(c, a)
}

// sign makes a certificate of c; by nil it signs itself.
func (a *Authority) sign(c *x509.Certificate, by *Authority) tls.Certificate {
	a.tb.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	a.must(err)
	if c.NotBefore.IsZero() {
		c.NotBefore = time.Now().Add(-time.Hour)
	}
	if c.NotAfter.IsZero() {
		c.NotAfter = time.Now().Add(time.Hour)
	}
	parent, signer := c, k
	if by != nil {
		parent, signer = by.Cert, by.Key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, k.Public(), signer)
	a.must(err)
	leaf, err := x509.ParseCertificate(der)
	a.must(err)
	out := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: k, Leaf: leaf}
	if by != nil {
		out.Certificate = append(out.Certificate, by.chain...)
	}
	return out
}

// Pool holds the certificate of a.
func (a *Authority) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.Cert)
	return p
}

// Pair is the authority itself as a certificate with its key and chain.
func (a *Authority) Pair() tls.Certificate {
	chain := a.chain
	if chain == nil {
		chain = [][]byte{a.Cert.Raw}
	}
	return tls.Certificate{Certificate: chain, PrivateKey: a.Key, Leaf: a.Cert}
}

// Revoke puts certificates on the next CRL.
func (a *Authority) Revoke(certs ...*x509.Certificate) {
	for _, c := range certs {
		a.revoked = append(a.revoked, x509.RevocationListEntry{
			SerialNumber: c.SerialNumber, RevocationTime: time.Now().Add(-time.Minute),
		})
	}
}

// CRL is the DER of a revocation list that is in date for an hour.
func (a *Authority) CRL() []byte {
	a.tb.Helper()
	return a.CRLAs(&x509.RevocationList{})
}

// CRLAs is CRL from a template, of which what is missing is filled in.
func (a *Authority) CRLAs(l *x509.RevocationList) []byte {
	a.tb.Helper()
	a.number++
	l.Number = big.NewInt(a.number)
	if l.ThisUpdate.IsZero() {
		l.ThisUpdate = time.Now().Add(-time.Hour)
	}
	if l.NextUpdate.IsZero() {
		l.NextUpdate = time.Now().Add(time.Hour)
	}
	l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, a.revoked...)
	der, err := x509.CreateRevocationList(rand.Reader, l, a.Cert, a.Key)
	a.must(err)
	return der
}

func (a *Authority) must(err error) {
	a.tb.Helper()
	if err != nil {
		a.tb.Fatalf("pkitest: got %v, want nil", err)
	}
}

func key(c tls.Certificate) *ecdsa.PrivateKey {
	k, _ := c.PrivateKey.(*ecdsa.PrivateKey)
	return k
}
