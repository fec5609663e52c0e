// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"sync/atomic"
	"time"
)

// Reasons to refuse a peer whose chain is good otherwise.
var (
	// ErrRevoked: a certificate of the chain is on its issuer's CRL.
	ErrRevoked = errors.New("pki: certificate revoked")
	// ErrNoCRL: no CRL that is in date covers a certificate of the chain.
	ErrNoCRL = errors.New("pki: no current revocation list of the issuer")
)

var errNoPEM = errors.New("holds no certificate in PEM form")

// crl is one revocation list.
type crl struct {
	list    *x509.RevocationList
	revoked map[string]struct{} // serial numbers, big-endian
	signer  atomic.Pointer[x509.Certificate]
}

// parseCRLs reads DER, or every CRL of a PEM file, and checks the signatures
// of those whose issuer is among the authorities. The issuer of another may be
// an intermediate that comes with the peer's chain; it is checked then.
func parseCRLs(text []byte, authorities []*x509.Certificate) ([]*crl, error) {
	ders, err := blocks(text, "X509 CRL")
	if err != nil {
		return nil, err
	}
	if len(ders) == 0 {
		ders = [][]byte{text}
	}
	out := make([]*crl, len(ders))
	for i, der := range ders {
		list, err := x509.ParseRevocationList(der)
		if err != nil {
			return nil, fmt.Errorf("neither PEM nor DER of a revocation list: %w", err)
		}
		if out[i], err = newCRL(list); err != nil {
			return nil, fmt.Errorf("of %s: %w", list.Issuer, err)
		}
		if err := out[i].checkSigner(authorities); err != nil {
			return nil, fmt.Errorf("of %s: %w", list.Issuer, err)
		}
	}
	return out, nil
}

// newCRL refuses lists that tell less than the whole truth of their issuer:
// a critical extension (delta, indirect, partitioned) that is not understood.
func newCRL(list *x509.RevocationList) (*crl, error) {
	if err := uncritical(list.Extensions); err != nil {
		return nil, err
	}
	c := &crl{list: list, revoked: make(map[string]struct{}, len(list.RevokedCertificateEntries))}
	for i := range list.RevokedCertificateEntries {
		e := &list.RevokedCertificateEntries[i]
		if err := uncritical(e.Extensions); err != nil {
			return nil, err
		}
		c.revoked[serial(e.SerialNumber)] = struct{}{}
	}
	return c, nil
}

func uncritical(extensions []pkix.Extension) error {
	for _, e := range extensions {
		if e.Critical {
			return fmt.Errorf("critical extension %s is not supported: want a full, direct list", e.Id)
		}
	}
	return nil
}

// serial is the key of a serial number; a negative one has its sign.
func serial(n *big.Int) string { return n.Text(62) }

// checkSigner fails if authorities of the issuer's name are known and none of
// them has signed the list.
func (c *crl) checkSigner(authorities []*x509.Certificate) error {
	var err error
	for _, a := range authorities {
		if !bytes.Equal(a.RawSubject, c.list.RawIssuer) {
			continue
		}
		if err = c.signedBy(a); err == nil {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("not signed by the CA of that name: %w", err)
	}
	return nil
}

// signedBy checks the signature, which takes long for a long list, once per
// issuer.
func (c *crl) signedBy(issuer *x509.Certificate) error {
	if last := c.signer.Load(); last != nil && last.Equal(issuer) {
		return nil
	}
	if err := c.list.CheckSignatureFrom(issuer); err != nil {
		return err
	}
	c.signer.Store(issuer)
	return nil
}

// current reports whether the list is in date.
func (c *crl) current(now time.Time) bool {
	return !now.Before(c.list.ThisUpdate) && (c.list.NextUpdate.IsZero() || !now.After(c.list.NextUpdate))
}

// checkChains passes if nothing on one of the chains, which end in a trusted
// certificate, is revoked.
func (st *state) checkChains(chains [][]*x509.Certificate, now time.Time) error {
	if len(st.crls) == 0 {
		return nil
	}
	err := errors.New("pki: the peer's certificate was not verified")
	for _, chain := range chains {
		if err = st.checkChain(chain, now); err == nil {
			return nil
		}
	}
	return err
}

func (st *state) checkChain(chain []*x509.Certificate, now time.Time) error {
	for i := range len(chain) - 1 {
		cert, issuer := chain[i], chain[i+1]
		covered := false
		for _, c := range st.crls {
			if !bytes.Equal(c.list.RawIssuer, issuer.RawSubject) || c.signedBy(issuer) != nil {
				continue
			}
			if _, revoked := c.revoked[serial(cert.SerialNumber)]; revoked {
				return fmt.Errorf("%w: serial number %x of %s", ErrRevoked, cert.SerialNumber, issuer.Subject)
			}
			covered = covered || c.current(now)
		}
		if !covered && !st.soft {
			return fmt.Errorf("%w: %s", ErrNoCRL, issuer.Subject)
		}
	}
	return nil
}
