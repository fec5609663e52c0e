// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
)

// authority issues certificates for a test.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool
	last int64
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &authority{t: t, key: key, pool: x509.NewCertPool()}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	if ca.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	ca.pool.AddCert(ca.cert)
	return ca
}

// issue makes a certificate with an RSA key, as CPE and old servers have.
func (ca *authority) issue(cn string, more func(*x509.Certificate)) tls.Certificate {
	ca.t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		ca.t.Fatal(err)
	}
	ca.last++
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1 + ca.last), Subject: pkix.Name{CommonName: cn}, NotAfter: time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	if more != nil {
		more(tmpl)
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, ca.cert, &key.PublicKey, ca.key)
	if err != nil {
		ca.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// newTLS is newCPE with TLS.
func newTLS(t *testing.T, s *acs.Server, c *tls.Config) *cpe {
	t.Helper()
	p := newCPE(t, s)
	p.dial = func() net.Conn {
		conn, err := (&tls.Dialer{Config: c}).DialContext(t.Context(), "tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	return p
}

// What a fleet of old CPE needs: TLS 1.0 and 1.1, RSA key exchange, no name of the
// server, a clock that stands at 1970 [quirk 46].
func TestQuirk46(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	old := []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA}
	h := &script{}
	s := serve(t, h, acs.Options{TLS: &tls.Config{
		Certificates: []tls.Certificate{ca.issue("acs", nil)}, MinVersion: tls.VersionTLS10,
		CipherSuites: append([]uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}, old...),
	}})
	for _, tc := range []struct {
		name    string
		version uint16
		suites  []uint16
	}{
		{"TLS 1.0, RSA key exchange", tls.VersionTLS10, old[:1]},
		{"TLS 1.0, 3DES", tls.VersionTLS10, old[2:]},
		{"TLS 1.1", tls.VersionTLS11, old[1:2]},
		{"TLS 1.2, RSA key exchange", tls.VersionTLS12, old[:1]},
		{"TLS 1.3", tls.VersionTLS13, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newTLS(t, s, &tls.Config{
				InsecureSkipVerify: true, MinVersion: tc.version, MaxVersion: tc.version, CipherSuites: tc.suites,
			})
			body := strings.Replace(informOf("1", "0 BOOTSTRAP", "0"), "2024-05-01T", "1970-01-01T", 1)
			p.post(message("1", body)).envelope("InformResponse")
			p.post("").want(http.StatusNoContent)
			h.wantClosed(t, nil)
		})
	}
}

func TestClientCertificates(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	server := ca.issue("acs", nil)
	stranger := newAuthority(t).issue("00256D-1", nil)
	certs := map[string]*tls.Certificate{"none": nil, "of another authority": &stranger}
	for _, cn := range []string{"00256D-1", "00256D-Box-1", "00256D-2", "acs.example"} {
		c := ca.issue(cn, nil)
		certs[cn] = &c
	}
	dns := ca.issue("a CPE", func(c *x509.Certificate) { c.DNSNames = []string{"00256D-1"} })
	uri := ca.issue("", func(c *x509.Certificate) { c.URIs = []*url.URL{{Opaque: "00256D-1"}} })
	certs["DNS name"], certs["URI"] = &dns, &uri
	login := basic("cpe", "secret")
	for _, tc := range []struct {
		use   acs.CertificateUse
		cert  string
		login string
		want  int
	}{
		{acs.CertificateSuffices, "00256D-1", "", http.StatusOK},
		{acs.CertificateSuffices, "00256D-Box-1", "", http.StatusOK},
		{acs.CertificateSuffices, "DNS name", "", http.StatusOK},
		{acs.CertificateSuffices, "URI", "", http.StatusOK},
		{acs.CertificateSuffices, "00256D-2", "", http.StatusForbidden},
		{acs.CertificateSuffices, "acs.example", "", http.StatusForbidden},
		{acs.CertificateSuffices, "none", "", http.StatusUnauthorized},
		{acs.CertificateSuffices, "none", login, http.StatusOK},
		{acs.CertificateOnly, "none", login, http.StatusForbidden},
		{acs.CertificateOnly, "00256D-1", "", http.StatusOK},
		{acs.CertificateAndLogin, "00256D-1", "", http.StatusUnauthorized},
		{acs.CertificateAndLogin, "00256D-1", login, http.StatusOK},
		{acs.CertificateAndLogin, "00256D-2", login, http.StatusForbidden},
		{acs.CertificateAndLogin, "none", login, http.StatusForbidden},
		{acs.CertificateIgnored, "00256D-2", login, http.StatusOK},
		{acs.CertificateIgnored, "00256D-2", "", http.StatusUnauthorized},
	} {
		h := &script{}
		o := acs.AccessOptions{Certificates: tc.use}
		s := serve(t, h, acs.Options{Auth: newAccess(t, o), TLS: &tls.Config{
			Certificates: []tls.Certificate{server}, MinVersion: tls.VersionTLS12,
			ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: ca.pool,
		}})
		c := &tls.Config{InsecureSkipVerify: true}
		if cert := certs[tc.cert]; cert != nil {
			c.Certificates = []tls.Certificate{*cert}
		}
		p := newTLS(t, s, c)
		if tc.login != "" {
			p.header = "Authorization: " + tc.login + "\r\n"
		}
		got := p.post(inform("1"))
		if got.code != tc.want {
			t.Errorf("use %d, %s, login %q: got %d, want %d", tc.use, tc.cert, tc.login, got.code, tc.want)
		}
		if got.code == http.StatusOK && tc.cert != "none" && len(h.infos[0].Certificate) != 64 {
			t.Errorf("got certificate %q, want its hash", h.infos[0].Certificate)
		}
	}
	// One that does not verify ends the handshake.
	s := serve(t, &script{}, acs.Options{TLS: &tls.Config{
		Certificates: []tls.Certificate{server}, MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12,
		ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: ca.pool,
	}})
	d := tls.Dialer{Config: &tls.Config{
		InsecureSkipVerify: true, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &stranger, nil
		},
	}}
	if conn, err := d.DialContext(t.Context(), "tcp", s.Addr()); err == nil {
		_ = conn.Close()
		t.Error("a certificate of somebody else: got a connection, want none")
	}
}

// The name in a certificate is all that is wanted.
func TestCertificateOnlyNeedsNoAccounts(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	a, err := acs.NewAccess(acs.AccessOptions{Certificates: acs.CertificateOnly})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := acs.NewAccess(acs.AccessOptions{}); err == nil {
		t.Fatal("without anything: got nil, want an error")
	}
	der, err := x509.ParseCertificate(ca.issue("00256D-A%2D7", nil).Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	name, err := attempt(t.Context(), a, &acs.Claim{Certificate: der}, box7)
	if err != nil || name != "00256D-A%2D7" {
		t.Fatalf("got %q, %v, want the name", name, err)
	}
	if _, err := attempt(t.Context(), a, &acs.Claim{}, cwmp.DeviceID{}); err == nil {
		t.Fatal("without a certificate: got nil, want an error")
	}
}
