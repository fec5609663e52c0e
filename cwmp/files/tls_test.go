// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/cwmp/files"
)

func certificate(t *testing.T, rsaKey bool) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	var der []byte
	var key any
	var err error
	if rsaKey {
		k, _ := rsa.GenerateKey(rand.Reader, 2048)
		key = k
		der, err = x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	} else {
		k, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		key = k
		der, err = x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	}
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TLS is as old as the configuration allows: version 1.0, RSA key exchange, a
// SHA-1 cipher suite.
func TestTLS(t *testing.T) {
	t.Parallel()
	suites := []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}
	for _, tc := range []struct {
		name     string
		server   *tls.Config
		client   *tls.Config
		rsa, bad bool
		version  uint16
	}{
		{"today", &tls.Config{}, &tls.Config{}, false, false, tls.VersionTLS13},
		{
			"old CPE, not allowed", &tls.Config{},
			&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10, CipherSuites: suites}, true, true, 0,
		},
		{
			"old CPE, allowed",
			&tls.Config{MinVersion: tls.VersionTLS10, CipherSuites: suites},
			&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10, CipherSuites: suites},
			true, false, tls.VersionTLS10,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			config := tc.server.Clone()
			config.Certificates = []tls.Certificate{certificate(t, tc.rsa)}
			s := start(t, files.Options{TLS: config})
			ticket := offer(t, s, files.Offer{
				Content: contentOf(pattern(100_000)), Access: files.Access{Username: "u", Password: "p"},
			})
			if !strings.HasPrefix(ticket.URL, "https://") {
				t.Errorf("got %s, want https", ticket.URL)
			}
			trust := tc.client.Clone()
			trust.InsecureSkipVerify = true
			c := &http.Client{Transport: &http.Transport{TLSClientConfig: trust, DisableKeepAlives: true}}
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, ticket.URL, nil)
			resp, err := c.Do(req)
			if tc.bad {
				if err == nil {
					_ = resp.Body.Close()
					t.Fatal("got an old CPE in, want it kept out")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.TLS.Version != tc.version || resp.ProtoMajor != 1 {
				t.Errorf("got TLS %x, %s, want %x and HTTP/1", resp.TLS.Version, resp.Proto, tc.version)
			}
			if h := resp.Header.Values("WWW-Authenticate"); len(h) != 1 || !strings.HasPrefix(h[0], "Basic ") {
				t.Errorf("got %q, want Basic on TLS [quirk 45]", h)
			}
		})
	}
}
