// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"bytes"
	"container/list"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// Defaults of IssuerOptions.
const (
	DefaultValidity  = 90 * 24 * time.Hour
	DefaultMaxIssued = 10_000
)

// backdate is how long before its making a certificate becomes valid: the
// clocks of peers differ.
const backdate = 5 * time.Minute

// maxCommonName is the greatest length of a common name in X.509.
const maxCommonName = 64

// IssuerOptions configure an Issuer.
type IssuerOptions struct {
	// CA has the operator's CA as Cert and Key. The intermediates that follow
	// in Cert are sent along. The Source's Run keeps it up to date.
	CA *Source
	// Validity is how long a certificate is valid, but never longer than its
	// CA; 0: 90 days. Certificates made here are on no CRL: let it be short.
	Validity time.Duration
	// RenewBefore is how long before its end a certificate is replaced in the
	// next handshake; 0: a third of Validity.
	RenewBefore time.Duration
	// MaxIssued bounds the certificates that are kept for further handshakes, at
	// some 3 KiB each; the longest unused is made anew when needed. 0: 10,000.
	MaxIssued int
}

// Issuer makes one certificate per Endpoint from the operator's CA, for both
// roles in TLS, with the Endpoint ID as URN [R-SEC.0a], a key on P-256 and a
// random serial number. Keys live in memory only. Safe for concurrent use.
type Issuer struct {
	o IssuerOptions

	mu     sync.Mutex
	issued map[usp.EndpointID]*list.Element // of *issued
	recent list.List                        // the latest used first
}

type issued struct {
	id   usp.EndpointID
	cert *tls.Certificate
	by   *x509.Certificate
}

// NewIssuer checks that the CA may and can issue.
func NewIssuer(o IssuerOptions) (*Issuer, error) {
	if o.Validity < 0 || o.RenewBefore < 0 || o.MaxIssued < 0 {
		return nil, errors.New("pki: an option of the issuer is negative")
	}
	if o.Validity == 0 {
		o.Validity = DefaultValidity
	}
	if o.RenewBefore == 0 {
		o.RenewBefore = o.Validity / 3
	}
	if o.RenewBefore >= o.Validity {
		return nil, errors.New("pki: certificates would be renewed before they are made")
	}
	if o.MaxIssued == 0 {
		o.MaxIssued = DefaultMaxIssued
	}
	if _, _, err := authority(o.CA.current.Load(), time.Now()); err != nil {
		return nil, err
	}
	return &Issuer{o: o, issued: make(map[usp.EndpointID]*list.Element)}, nil
}

// authority returns the issuing certificate and its key.
func authority(st *state, now time.Time) (*x509.Certificate, crypto.Signer, error) {
	if st.cert == nil {
		return nil, nil, ErrNoCertificate
	}
	ca := st.cert.Leaf
	signer, ok := st.cert.PrivateKey.(crypto.Signer)
	switch {
	case !ok:
		return nil, nil, errors.New("pki: the key of the CA cannot sign")
	case !ca.IsCA || ca.KeyUsage != 0 && ca.KeyUsage&x509.KeyUsageCertSign == 0:
		return nil, nil, fmt.Errorf("pki: %s may not issue certificates", ca.Subject)
	case now.Before(ca.NotBefore) || now.After(ca.NotAfter):
		return nil, nil, fmt.Errorf("pki: the CA %s is valid from %s to %s only",
			ca.Subject, ca.NotBefore.Format(time.DateOnly), ca.NotAfter.Format(time.DateOnly))
	}
	return ca, signer, nil
}

// Certificate returns the certificate of id with its chain: the one made
// before while it has long enough to go and its CA is still the same.
func (i *Issuer) Certificate(id usp.EndpointID) (*tls.Certificate, error) {
	now, st := time.Now(), i.o.CA.current.Load()
	if c := i.kept(id, st, now); c != nil {
		return c, nil
	}
	ca, signer, err := authority(st, now)
	if err != nil {
		return nil, err
	}
	cert, err := i.issue(id, ca, signer, now)
	if err != nil {
		return nil, fmt.Errorf("pki: certificate of %q: %w", id, err)
	}
	for _, der := range st.cert.Certificate {
		if !selfIssued(der) {
			cert.Certificate = append(cert.Certificate, der)
		}
	}
	i.keep(&issued{id: usp.EndpointID(strings.Clone(string(id))), cert: cert, by: ca})
	return cert, nil
}

func (i *Issuer) kept(id usp.EndpointID, st *state, now time.Time) *tls.Certificate {
	i.mu.Lock()
	defer i.mu.Unlock()
	e := i.issued[id]
	if e == nil {
		return nil
	}
	c := e.Value.(*issued)
	due := c.cert.Leaf.NotAfter.Add(-i.o.RenewBefore)
	if c.cert.Leaf.NotAfter.Equal(c.by.NotAfter) {
		due = c.by.NotAfter // a new one would end no later
	}
	if st.cert == nil || !st.cert.Leaf.Equal(c.by) || !now.Before(due) {
		return nil
	}
	i.recent.MoveToFront(e)
	return c.cert
}

func (i *Issuer) keep(c *issued) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if old := i.issued[c.id]; old != nil {
		i.recent.Remove(old)
	}
	i.issued[c.id] = i.recent.PushFront(c)
	for len(i.issued) > i.o.MaxIssued {
		last := i.recent.Back()
		delete(i.issued, i.recent.Remove(last).(*issued).id)
	}
}

// Issued is how many certificates are kept.
func (i *Issuer) Issued() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.issued)
}

func (i *Issuer) issue(
	id usp.EndpointID, ca *x509.Certificate, signer crypto.Signer, now time.Time,
) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{ // without a serial number x509 draws one
		NotBefore:             latest(now.Add(-backdate), ca.NotBefore),
		NotAfter:              earliest(now.Add(i.o.Validity), ca.NotAfter),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		URIs:                  []*url.URL{{Scheme: "urn", Opaque: "bbf:usp:id:" + string(id)}},
	}
	if len(id) <= maxCommonName {
		template.Subject = pkix.Name{CommonName: string(id)}
	}
	if host, ok := strings.CutPrefix(string(id), "fqdn::"); ok {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	// What a peer reads must be this Endpoint and nobody else: no wildcard, no
	// character that ends the name in a URI.
	if named := mtp.CertificateURNs(leaf); len(named) != 1 || named[0] != id || strings.Contains(string(id), "*") {
		return nil, errors.New("not an Endpoint ID that a certificate can name")
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// selfIssued reports whether the certificate is a root, which a peer has or
// does not trust: it is not sent.
func selfIssued(der []byte) bool {
	c, err := x509.ParseCertificate(der)
	return err != nil || bytes.Equal(c.RawIssuer, c.RawSubject)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
