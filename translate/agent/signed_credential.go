// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/e2e"
)

// verifier returns what checks the signature of Records of a Controller: that of the
// configuration, or, of one that has a Credential, that the signer is it, or was issued by
// it for this Controller [R-SEC.22]. nil: nothing does.
func (a *Agent) verifier(from usp.EndpointID) func(usp.Record) error {
	a.lock()
	defer a.unlock()
	if len(a.local.rows[certificateTable]) == 0 {
		return a.host.opts.Records.Verify
	}
	row := a.controllerRow(from)
	refs := references(a.local.get(row + "Credential"))
	if row == "" || len(refs) == 0 {
		return a.host.opts.Records.Verify
	}
	var stored []*x509.Certificate
	for _, ref := range refs {
		if !a.local.isTrue(ref + ".Enable") {
			continue
		}
		if cert, err := x509.ParseCertificate(a.local.certificate(ref + ".")); err == nil {
			stored = append(stored, cert)
		}
	}
	return func(rec usp.Record) error { return signedBy(rec, stored) }
}

// errSigner: the signature is good, and of somebody else.
var errSigner = errors.New("agent: not signed by the Credential of the Controller")

// signedBy says whether a Record is signed by one of the certificates, or by one that they
// have issued and that names its from_id.
func signedBy(rec usp.Record, certificates []*x509.Certificate) error {
	chain, err := e2e.Verify(rec)
	if err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	own := slices.ContainsFunc(certificates, chain[0].Equal)
	if !own && !names(chain[0], rec.Header().From) {
		return errSigner
	}
	stored, above := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range certificates {
		stored.AddCert(c)
	}
	for _, c := range chain[1:] {
		above.AddCert(c)
	}
	_, err = chain[0].Verify(x509.VerifyOptions{
		Roots: stored, Intermediates: above, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return fmt.Errorf("%w: %w", errSigner, err)
	}
	return nil
}

// names reports whether a certificate names an Endpoint as urn:bbf:usp:id:<Endpoint ID>
// [R-SEC.0a].
func names(cert *x509.Certificate, id usp.EndpointID) bool {
	return slices.ContainsFunc(cert.URIs, func(u *url.URL) bool {
		const urn = "bbf:usp:id:"
		return strings.EqualFold(u.Scheme, "urn") && len(u.Opaque) > len(urn) &&
			strings.EqualFold(u.Opaque[:len(urn)], urn) && u.Opaque[len(urn):] == string(id)
	})
}
