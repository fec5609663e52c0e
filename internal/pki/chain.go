// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// errNobody: there is no CA, and so nobody to be trusted.
var errNobody = errors.New("pki: no CA is configured")

// Trusts checks a chain that was shown outside of a handshake, such as the signer of a
// Record, leaf first: dates, that it comes from CA, for whatever use, and CRL. Safe for
// concurrent use.
func (s *Source) Trusts(chain []*x509.Certificate) error {
	st := s.current.Load()
	if st.roots == nil || len(chain) == 0 {
		return errNobody
	}
	o := x509.VerifyOptions{
		Roots: st.roots, CurrentTime: time.Now(), Intermediates: x509.NewCertPool(),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}
	for _, c := range chain[1:] {
		o.Intermediates.AddCert(c)
	}
	chains, err := chain[0].Verify(o)
	if err != nil {
		return fmt.Errorf("pki: %w", err)
	}
	return st.checkChains(chains, o.CurrentTime)
}
