// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/app"
	"github.com/uspgate/uspgate/internal/pki"
	"github.com/uspgate/uspgate/internal/pki/pkitest"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/e2e"
)

// signed is a Record of from that the holder of c has signed.
func signed(tb testing.TB, from usp.EndpointID, c tls.Certificate) usp.Record {
	tb.Helper()
	key, ok := c.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		tb.Fatalf("got a key of %T", c.PrivateKey)
	}
	var chain []byte
	for _, der := range c.Certificate {
		chain = append(chain, pkitest.PEM("CERTIFICATE", der)...)
	}
	rec, err := e2e.Sign(usp.NewNoSession(from, "os::00D09E-1", "", []byte("x")), key, chain)
	if err != nil {
		tb.Fatal(err)
	}
	return rec
}

// A signature counts if its certificate comes from the CA, is in date and not revoked,
// and names from_id [R-E2E.31, R-SEC.0a].
func TestSignedBy(t *testing.T) {
	t.Parallel()
	ca, other, dir := pkitest.NewAuthority(t, "ca"), pkitest.NewAuthority(t, "other"), t.TempDir()
	const me = "self::controller"
	revoked := ca.Issue(me)
	ca.Revoke(revoked.Leaf)
	source := func(crl bool) *pki.Source {
		files := pki.Files{CA: pkitest.WriteCA(t, dir, "ca", ca)}
		if crl {
			files.CRL = []string{pkitest.WriteCRL(t, dir, "ca", ca)}
		}
		s, err := pki.New(pki.Options{Files: files})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for name, tt := range map[string]struct {
		rec  usp.Record
		crl  bool
		want string
	}{
		"good":           {signed(t, me, ca.Issue(me)), false, ""},
		"good, with CRL": {signed(t, me, ca.Issue(me)), true, ""},
		"wildcard":       {signed(t, "ops::00D09E-A-1", ca.Issue("ops::00D09E-*")), false, ""},
		"intermediate":   {signed(t, me, ca.Intermediate("below").Issue(me)), false, ""},
		"another name":   {signed(t, "self::other", ca.Issue(me)), false, "names [self::controller], not self::other"},
		"no name": {
			signed(t, me, ca.IssueAs(&x509.Certificate{DNSNames: []string{}})), false, "names [], not self::controller",
		},
		"another CA": {signed(t, me, other.Issue(me)), false, "unknown authority"},
		"expired": {
			signed(t, me, ca.IssueAs(&x509.Certificate{NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1, 0)}, me)), false,
			"expired",
		},
		"revoked":    {signed(t, me, revoked), true, "revoked"},
		"not signed": {usp.NewNoSession(me, "os::00D09E-1", "", []byte("x")), false, "there is none"},
	} {
		err := app.SignedBy(source(tt.crl))(tt.rec)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: got %v, want nil", name, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: got %v, want %s", name, err, tt.want)
		}
	}
}

func BenchmarkSignedBy(b *testing.B) {
	b.ReportAllocs()
	ca := pkitest.NewAuthority(b, "ca")
	s, err := pki.New(pki.Options{Files: pki.Files{CA: pkitest.WriteCA(b, b.TempDir(), "ca", ca)}})
	if err != nil {
		b.Fatal(err)
	}
	rec := signed(b, "self::controller", ca.Issue("self::controller"))
	verify := app.SignedBy(s)
	for b.Loop() {
		if err := verify(rec); err != nil {
			b.Fatal(err)
		}
	}
}
