// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mtp

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
	"strings"

	"github.com/uspgate/uspgate/usp"
)

// certificateURN precedes the Endpoint ID in a subject alternative name
// [R-SEC.0a].
const certificateURN = "bbf:usp:id:"

// Allows reports whether a Link with this Identity may speak for id. Without
// IDs, Patterns and Any everybody may be claimed, once. An ID that ends in * is the
// wildcard of [R-SEC.12].
func (i Identity) Allows(id usp.EndpointID) bool {
	if i.Any || len(i.IDs) == 0 && len(i.Patterns) == 0 {
		return true
	}
	for _, own := range i.IDs {
		if own == id || wildcard(string(own), string(id)) {
			return true
		}
	}
	return slices.ContainsFunc(i.Patterns, id.Like)
}

// One returns the Endpoint ID of an Identity that has exactly one, "" else.
func (i Identity) One() usp.EndpointID {
	if i.Any || len(i.IDs) != 1 || len(i.Patterns) > 0 || strings.HasSuffix(string(i.IDs[0]), "*") {
		return ""
	}
	return i.IDs[0]
}

// wildcard matches id against a pattern whose instance-id ends in *: only in
// the schemes that have an assigner, and never for the assigner itself, which
// in os and ops stands before the first hyphen of the instance-id [R-SEC.12].
func wildcard(pattern, id string) bool {
	prefix, ok := strings.CutSuffix(pattern, "*")
	if !ok || !strings.HasPrefix(id, prefix) || len(id) == len(prefix) {
		return false
	}
	scheme, rest, _ := strings.Cut(prefix, ":")
	authority, instance, ok := strings.Cut(rest, ":")
	switch scheme {
	case "oui", "cid", "pen":
		return ok && authority != ""
	case "os", "ops":
		assigner, _, hyphen := strings.Cut(instance, "-")
		return ok && authority == "" && hyphen && assigner != ""
	default:
		return false
	}
}

// Chain returns the chain of the certificate that the peer has shown in a handshake in
// which it was verified: by the library, or, if that has no chain, by a callback.
func Chain(s *tls.ConnectionState) []*x509.Certificate {
	if len(s.VerifiedChains) > 0 {
		return s.VerifiedChains[0]
	}
	return s.PeerCertificates
}

// CertificateIDs returns the Endpoint IDs, or wildcards, that a peer with this
// certificate may speak for: CertificateURNs, and where there is none its DNS
// names in the scheme fqdn [R-SEC.0a].
func CertificateIDs(cert *x509.Certificate) []usp.EndpointID {
	ids := CertificateURNs(cert)
	if len(ids) > 0 {
		return ids
	}
	for _, name := range cert.DNSNames {
		ids = append(ids, usp.EndpointID("fqdn::"+name))
	}
	return ids
}

// CertificateURNs returns the Endpoint IDs, or wildcards, that a certificate
// names as URIs urn:bbf:usp:id:<Endpoint ID> [R-SEC.0a].
func CertificateURNs(cert *x509.Certificate) []usp.EndpointID {
	var ids []usp.EndpointID
	for _, u := range cert.URIs {
		if !strings.EqualFold(u.Scheme, "urn") || len(u.Opaque) <= len(certificateURN) {
			continue
		}
		if strings.EqualFold(u.Opaque[:len(certificateURN)], certificateURN) {
			ids = append(ids, usp.EndpointID(u.Opaque[len(certificateURN):]))
		}
	}
	return ids
}
