// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/uspgate/uspgate/cwmp/acs"
)

// oldAuthority signs with RSA and SHA-1.
type oldAuthority struct {
	key  *rsa.PrivateKey
	cert *x509.Certificate
}

func rsaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// certify makes a certificate; by is nil for one that has signed itself.
func certify(t *testing.T, by *oldAuthority, tmpl *x509.Certificate, key *rsa.PrivateKey) *x509.Certificate {
	t.Helper()
	tmpl.SerialNumber = big.NewInt(time.Now().UnixNano())
	tmpl.SignatureAlgorithm = x509.SHA1WithRSA
	if tmpl.NotAfter.IsZero() {
		tmpl.NotAfter = time.Now().Add(time.Hour)
	}
	parent, signer := tmpl, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func oldCA(t *testing.T, by *oldAuthority, cn string) *oldAuthority {
	t.Helper()
	key := rsaKey(t)
	return &oldAuthority{key: key, cert: certify(t, by, &x509.Certificate{
		Subject: pkix.Name{CommonName: cn}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, key)}
}

func leaf(cn string) *x509.Certificate {
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: cn}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
}

// Old CPE have sessions with a Server that is told to, in TLS that is otherwise
// refused, and others as before.
func TestLegacyTLS(t *testing.T) {
	t.Parallel()
	server := newAuthority(t).issue("acs", nil)
	base := &tls.Config{Certificates: []tls.Certificate{server}, MinVersion: tls.VersionTLS12}
	reloaded := base.Clone()
	reloaded.Certificates = nil
	reloaded.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return base, nil }
	for name, c := range map[string]*tls.Config{"fixed": base, "by client": reloaded} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &script{}
			s := serve(t, h, acs.Options{TLS: c, Legacy: &acs.Legacy{}})
			strict := serve(t, &script{}, acs.Options{TLS: c})
			for _, tc := range []struct {
				version uint16
				suite   uint16
			}{
				{tls.VersionTLS10, tls.TLS_RSA_WITH_AES_128_CBC_SHA},
				{tls.VersionTLS10, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA},
				{tls.VersionTLS11, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA},
				{tls.VersionTLS12, tls.TLS_RSA_WITH_AES_256_CBC_SHA},
			} {
				client := &tls.Config{
					InsecureSkipVerify: true, MinVersion: tc.version, MaxVersion: tc.version, CipherSuites: []uint16{tc.suite},
				}
				for range 2 {
					p := newTLS(t, s, client)
					p.post(inform("1")).envelope("InformResponse")
					p.post("").want(http.StatusNoContent)
					h.wantClosed(t, nil)
				}
				conn, err := (&tls.Dialer{Config: client}).DialContext(t.Context(), "tcp", strict.Addr())
				if err == nil {
					_ = conn.Close()
					t.Errorf("version %x without Legacy: got a connection, want none", tc.version)
				}
			}
			p := newTLS(t, s, &tls.Config{InsecureSkipVerify: true})
			p.post(inform("1")).envelope("InformResponse")
			rc4 := &tls.Config{
				InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_RC4_128_SHA},
			}
			if conn, err := (&tls.Dialer{Config: rc4}).DialContext(t.Context(), "tcp", s.Addr()); err == nil {
				_ = conn.Close()
				t.Error("RC4: got a connection, want none")
			}
		})
	}
}

// A client certificate that is signed with SHA-1 proves who has it, if the
// authority may do so; what is wrong with it otherwise is not forgiven.
func TestLegacyClientCertificates(t *testing.T) {
	t.Parallel()
	modern := newAuthority(t)
	root, stranger := oldCA(t, nil, "old root"), oldCA(t, nil, "old root")
	middle := oldCA(t, root, "old factory")
	key := rsaKey(t)
	expired, wrongUse := leaf("00256D-1"), leaf("00256D-1")
	expired.NotAfter = time.Now().Add(-time.Minute)
	wrongUse.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	chain := func(certs ...*x509.Certificate) tls.Certificate {
		c := tls.Certificate{PrivateKey: key}
		for _, x := range certs {
			c.Certificate = append(c.Certificate, x.Raw)
		}
		return c
	}
	noCA := certify(t, root, leaf("00256D-1"), key)
	byLeaf := certify(t, &oldAuthority{key: key, cert: noCA}, leaf("00256D-2"), key)
	var told atomic.Int32
	s := serve(t, &script{}, acs.Options{
		Auth: newAccess(t, acs.AccessOptions{Certificates: acs.CertificateOnly}),
		TLS: &tls.Config{
			Certificates: []tls.Certificate{modern.issue("acs", nil)}, MinVersion: tls.VersionTLS12,
			ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: modern.pool,
			VerifyConnection: func(cs tls.ConnectionState) error {
				told.Add(int32(len(cs.VerifiedChains)))
				return nil
			},
		},
		Legacy: &acs.Legacy{ClientCAs: []*x509.Certificate{root.cert}},
	})
	for _, tc := range []struct {
		name string
		cert tls.Certificate
		want int // 0: no connection
	}{
		{"SHA-1 by the root", chain(noCA), http.StatusOK},
		{"SHA-1 by way of another", chain(certify(t, middle, leaf("00256D-1"), key), middle.cert), http.StatusOK},
		{"SHA-256", modern.issue("00256D-1", nil), http.StatusOK},
		{"of another device", chain(certify(t, root, leaf("00256D-2"), key)), http.StatusForbidden},
		{"of a namesake of the root", chain(certify(t, stranger, leaf("00256D-1"), key)), 0},
		{"with the namesake", chain(certify(t, stranger, leaf("00256D-1"), key), stranger.cert), 0},
		{"without the one between", chain(certify(t, middle, leaf("00256D-1"), key)), 0},
		{"by one that is no authority", chain(byLeaf, noCA), 0},
		{"expired", chain(certify(t, root, expired, key)), 0},
		{"of a server", chain(certify(t, root, wrongUse, key)), 0},
	} {
		client := &tls.Config{
			InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10,
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &tc.cert, nil },
		}
		conn, err := (&tls.Dialer{Config: client}).DialContext(t.Context(), "tcp", s.Addr())
		if err != nil || tc.want == 0 {
			if (err == nil) != (tc.want != 0) {
				t.Errorf("%s: got %v, want status %d", tc.name, err, tc.want)
			}
			if err == nil {
				_ = conn.Close()
			}
			continue
		}
		_ = conn.Close()
		p := newTLS(t, s, client)
		if got := p.post(inform("1")); got.code != tc.want {
			t.Errorf("%s: got status %d, want %d", tc.name, got.code, tc.want)
		}
	}
	if told.Load() == 0 {
		t.Error("got no chains in VerifyConnection, want those that were found")
	}
}

// What TLS knows of a CPE goes with a POST to another node.
func TestExchangeKeepsTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	a := newAccess(t, acs.AccessOptions{Certificates: acs.CertificateSuffices})
	s := serve(t, &script{}, acs.Options{Auth: a})
	e := acs.Exchange{Secure: true, Body: []byte(inform("1"))}
	got := s.Exchange(t.Context(), e)
	if got.Status != http.StatusUnauthorized || !strings.HasPrefix(got.Header.Get("WWW-Authenticate"), "Basic") {
		t.Fatalf("got %d %v, want Basic as on TLS", got.Status, got.Header)
	}
	e.Certificate = ca.issue("00256D-1", nil).Certificate[0]
	if got := s.Exchange(t.Context(), e); got.Status != http.StatusOK {
		t.Fatalf("got %d, want a session by certificate", got.Status)
	}
}
