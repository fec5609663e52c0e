// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uspgate/uspgate/internal/pki"
	"github.com/uspgate/uspgate/internal/pki/pkitest"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// authoritySource has c as the CA of an Issuer.
func authoritySource(t *testing.T, c tls.Certificate) *pki.Source {
	t.Helper()
	var f pki.Files
	f.Cert, f.Key = pkitest.WritePair(t, t.TempDir(), "issuer", c)
	return source(t, pki.Options{Files: f})
}

func issuer(t *testing.T, o pki.IssuerOptions) *pki.Issuer {
	t.Helper()
	i, err := pki.NewIssuer(o)
	if err != nil {
		t.Fatalf("NewIssuer: got %v, want nil", err)
	}
	return i
}

func issue(t *testing.T, i *pki.Issuer, id usp.EndpointID) *tls.Certificate {
	t.Helper()
	c, err := i.Certificate(id)
	if err != nil {
		t.Fatalf("Certificate(%s): got %v, want nil", id, err)
	}
	return c
}

// TestIssue_R_SEC_0a: a certificate names exactly its Endpoint and verifies by
// the root in both roles.
func TestIssue_R_SEC_0a(t *testing.T) {
	t.Parallel()
	root := pkitest.NewAuthority(t, "root")
	i := issuer(t, pki.IssuerOptions{CA: authoritySource(t, root.Intermediate("issuing").Pair())})
	ids := []usp.EndpointID{
		"os::00D09E-1", "ops::00D09E-DSL%20100%2F1%25-S%C3%A4", "self::controller", "oui:00D09E:a.b_c-d",
		"fqdn::agent.example.org", "uuid::f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
		usp.EndpointID("os::00D09E-" + strings.Repeat("%2F", 40)),
	}
	serials := map[string]bool{}
	for _, id := range ids {
		c := issue(t, i, id)
		if got := mtp.CertificateURNs(c.Leaf); !slices.Equal(got, []usp.EndpointID{id}) {
			t.Errorf("URNs: got %q, want %q", got, id)
		}
		if got, want := len(c.Leaf.SerialNumber.Bytes()), 8; got < want {
			t.Errorf("%s: got a serial number of %d bytes, want at least %d at random", id, got, want)
		}
		serials[c.Leaf.SerialNumber.String()] = true
		if k, ok := c.Leaf.PublicKey.(*ecdsa.PublicKey); !ok || k.Curve != elliptic.P256() {
			t.Errorf("%s: got key %T, want ECDSA on P-256", id, c.Leaf.PublicKey)
		}
		if c.Leaf.IsCA || c.Leaf.KeyUsage != x509.KeyUsageDigitalSignature {
			t.Errorf("%s: got CA %v, key usage %b, want neither CA nor more than signatures", id, c.Leaf.IsCA, c.Leaf.KeyUsage)
		}
		if got := len(c.Certificate); got != 2 {
			t.Fatalf("%s: got a chain of %d, want leaf and intermediate", id, got)
		}
		middle := x509.NewCertPool()
		above, err := x509.ParseCertificate(c.Certificate[1])
		if err != nil {
			t.Fatalf("chain: got %v, want nil", err)
		}
		middle.AddCert(above)
		for _, use := range []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth} {
			_, err := c.Leaf.Verify(x509.VerifyOptions{
				Roots: root.Pool(), Intermediates: middle, KeyUsages: []x509.ExtKeyUsage{use},
			})
			if err != nil {
				t.Errorf("%s: verify: got %v, want nil", id, err)
			}
		}
	}
	if len(serials) != len(ids) {
		t.Errorf("serial numbers: got %d different ones, want %d", len(serials), len(ids))
	}
	if got := issue(t, i, "fqdn::agent.example.org").Leaf.DNSNames; !slices.Equal(got, []string{"agent.example.org"}) {
		t.Errorf("DNS names of fqdn: got %q, want the host", got)
	}
}

// TestIssueRoot: a root is not sent along.
func TestIssueRoot(t *testing.T) {
	t.Parallel()
	i := issuer(t, pki.IssuerOptions{CA: authoritySource(t, pkitest.NewAuthority(t, "root").Pair())})
	if got := len(issue(t, i, "os::00D09E-1").Certificate); got != 1 {
		t.Errorf("chain: got %d, want the leaf only", got)
	}
}

// TestIssueNobodyElse: what a peer would read as somebody else, or as many, is
// not made.
func TestIssueNobodyElse(t *testing.T) {
	t.Parallel()
	i := issuer(t, pki.IssuerOptions{CA: authoritySource(t, pkitest.NewAuthority(t, "root").Pair())})
	for _, id := range []usp.EndpointID{
		"", "os::00D09E-*", "os::00D09E-1?x", "os::00D09E-1#x", "os::00D09E-\x00", "os::00D09E-1\n", "os::00D09E-ä", "*",
	} {
		if c, err := i.Certificate(id); err == nil {
			t.Errorf("Certificate(%q): got %q, want an error", id, c.Leaf.URIs)
		}
	}
	if got := i.Issued(); got != 0 {
		t.Errorf("kept: got %d, want 0", got)
	}
}

// FuzzIssue: whatever the id, the certificate names it and only it, or is not
// made.
func FuzzIssue(f *testing.F) {
	for _, id := range []string{
		"os::00D09E-1", "ops::00D09E-a%2Fb", "os::00D09E-*", "self::?", "fqdn::a.b", "fqdn::.", "::",
	} {
		f.Add(id)
	}
	dir := f.TempDir()
	var files pki.Files
	files.Cert, files.Key = pkitest.WritePair(f, dir, "ca", pkitest.NewAuthority(f, "ca").Pair())
	ca, err := pki.New(pki.Options{Files: files})
	if err != nil {
		f.Fatal(err)
	}
	i, err := pki.NewIssuer(pki.IssuerOptions{CA: ca, MaxIssued: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, id string) {
		c, err := i.Certificate(usp.EndpointID(id))
		if err != nil {
			return
		}
		got := mtp.CertificateIDs(c.Leaf)
		if len(got) != 1 || string(got[0]) != id || strings.HasSuffix(id, "*") {
			t.Errorf("got %q, want %q only", got, id)
		}
	})
}

// TestIssuerCache: the longest unused goes; the same Endpoint has the same
// certificate until then.
func TestIssuerCache(t *testing.T) {
	t.Parallel()
	i := issuer(t, pki.IssuerOptions{
		CA: authoritySource(t, pkitest.NewAuthority(t, "root").Pair()), MaxIssued: 2,
	})
	a, b := issue(t, i, "os::00D09E-a"), issue(t, i, "os::00D09E-b")
	if got := issue(t, i, "os::00D09E-a"); got != a {
		t.Errorf("a again: got another certificate, want the same")
	}
	issue(t, i, "os::00D09E-c") // b is the longest unused
	if got := i.Issued(); got != 2 {
		t.Errorf("kept: got %d, want 2", got)
	}
	if got := issue(t, i, "os::00D09E-a"); got != a {
		t.Errorf("a at last: got another certificate, want the same")
	}
	if got := issue(t, i, "os::00D09E-b"); got == b {
		t.Errorf("b at last: got the same certificate, want a new one")
	}
}

// TestRenewal: a certificate is replaced before its end, and none outlives the
// CA.
func TestRenewal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		root := pkitest.NewAuthority(t, "root") // for an hour
		i := issuer(t, pki.IssuerOptions{
			CA: authoritySource(t, root.Pair()), Validity: 30 * time.Minute, RenewBefore: 10 * time.Minute,
		})
		first := issue(t, i, "os::00D09E-1")
		pass(20*time.Minute - time.Second)
		if got := issue(t, i, "os::00D09E-1"); got != first {
			t.Errorf("after 20 minutes: got a new certificate, want the same")
		}
		pass(time.Second)
		second := issue(t, i, "os::00D09E-1")
		if second == first || !second.Leaf.NotAfter.After(first.Leaf.NotAfter) {
			t.Errorf("after 20 minutes: got one until %v, want a longer one", second.Leaf.NotAfter)
		}
		pass(20 * time.Minute)
		last := issue(t, i, "os::00D09E-1")
		if got, want := last.Leaf.NotAfter, root.Cert.NotAfter; !got.Equal(want) {
			t.Errorf("end: got %v, want that of the CA, %v", got, want)
		}
		pass(19 * time.Minute)
		if got := issue(t, i, "os::00D09E-1"); got != last {
			t.Errorf("shortly before the end of the CA: got a new certificate, want the same")
		}
		pass(2 * time.Minute)
		if _, err := i.Certificate("os::00D09E-1"); err == nil || !strings.Contains(err.Error(), "is valid from") {
			t.Errorf("after the end of the CA: got %v, want an error", err)
		}
	})
}

// pass moves the clock of the bubble.
func pass(d time.Duration) { <-time.After(d) }

// TestChangedIssuer: a new CA makes new certificates.
func TestChangedIssuer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var f pki.Files
	f.Cert, f.Key = pkitest.WritePair(t, dir, "ca", pkitest.NewAuthority(t, "old").Pair())
	ca := source(t, pki.Options{Files: f})
	i := issuer(t, pki.IssuerOptions{CA: ca})
	issue(t, i, "os::00D09E-1")
	next := pkitest.NewAuthority(t, "new")
	pkitest.WritePair(t, dir, "ca", next.Pair())
	reload(t, ca)
	if err := issue(t, i, "os::00D09E-1").Leaf.CheckSignatureFrom(next.Cert); err != nil {
		t.Errorf("signature: got %v, want that of the new CA", err)
	}
}

// TestIssuerOptions: what cannot work is refused at once.
func TestIssuerOptions(t *testing.T) {
	t.Parallel()
	root := pkitest.NewAuthority(t, "root")
	good := authoritySource(t, root.Pair())
	vectors := map[string]pki.IssuerOptions{
		"no certificate is configured": {CA: source(t, pki.Options{})},
		"may not issue certificates":   {CA: authoritySource(t, root.Issue())},
		"renewed before they are made": {CA: good, Validity: time.Hour, RenewBefore: time.Hour},
		"is negative":                  {CA: good, MaxIssued: -1},
	}
	for want, o := range vectors {
		if _, err := pki.NewIssuer(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("NewIssuer: got %v, want an error with %q", err, want)
		}
	}
}

// TestIssuerConcurrent: many connections at a time.
func TestIssuerConcurrent(t *testing.T) {
	t.Parallel()
	i := issuer(t, pki.IssuerOptions{
		CA: authoritySource(t, pkitest.NewAuthority(t, "root").Pair()), MaxIssued: 4,
	})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for n := range 16 {
				id := usp.EndpointID(fmt.Sprintf("os::00D09E-%d", (g+n)%6))
				if c, err := i.Certificate(id); err != nil || mtp.CertificateURNs(c.Leaf)[0] != id {
					t.Errorf("Certificate(%s): got %v, %v, want its own", id, c, err)
				}
			}
		})
	}
	wg.Wait()
	if got := i.Issued(); got > 4 {
		t.Errorf("kept: got %d, want at most 4", got)
	}
}
