// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"testing"

	"github.com/uspgate/uspgate/internal/pki/pkitest"
	"github.com/uspgate/uspgate/test/harness"
)

// Guesses are counted for the address of the CPE that a trusted proxy names, and
// for that of the connection where it is somebody else who names one.
func TestCPEBehindProxies(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		proxies        string
		before, header string // with the address
		other          int    // status of another address, when one is locked out
	}{
		"PROXY protocol":  {"proxy_from: [127.0.0.0/8]", "PROXY TCP4 %s 192.0.2.99 4000 7547\r\n", "", http.StatusOK},
		"X-Forwarded-For": {"forwarded_from: [127.0.0.0/8]", "", "X-Forwarded-For: %s", http.StatusOK},
		"Forwarded": {
			"forwarded_from: [127.0.0.0/8], forwarded_header: Forwarded", "", "Forwarded: for=%s", http.StatusOK,
		},
		"of no trust": {"forwarded_from: [10.0.0.0/8]", "", "X-Forwarded-For: %s", http.StatusServiceUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gw := harness.Start(t, fmt.Sprintf(`cwmp: {%s, auth: {mode: basic, users: [{username: cpe, password: secret}],
  lockout: {address_failures: 1, user_failures: 0}}}
`, tc.proxies))
			door := &doorbell{t: t, url: gw.ACS()}
			for _, step := range []struct {
				from, password string
				want           int
			}{
				{"192.0.2.1", "guess", http.StatusUnauthorized},
				{"192.0.2.1", "secret", http.StatusServiceUnavailable},
				{"192.0.2.2", "secret", tc.other},
			} {
				if tc.before != "" {
					door.before = fmt.Sprintf(tc.before, step.from)
				}
				if tc.header != "" {
					door.header = fmt.Sprintf(tc.header, step.from)
				}
				if got, _ := door.ring("1", "cpe", step.password); got != step.want {
					t.Errorf("%s with %s: got %d, want %d", step.from, step.password, got, step.want)
				}
			}
		})
	}
}

// legacy: true lets CPE of TLS 1.0 in, and their certificates are still looked at.
func TestLegacyTLS(t *testing.T) {
	t.Parallel()
	ca, dir := pkitest.NewAuthority(t, "CA"), t.TempDir()
	cert, key := pkitest.WritePair(t, dir, "acs", ca.Issue())
	old := &tls.Config{RootCAs: ca.Pool(), MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}
	for _, tc := range []struct {
		name, tls string
		client    tls.Certificate
		want      bool
	}{
		{"without", "", tls.Certificate{}, false},
		{"with", ", legacy: true", tls.Certificate{}, true},
		{"certificate wanted", ", legacy: true, client_ca: " + pkitest.WriteCA(t, dir, "ca", ca), tls.Certificate{}, false},
		{"certificate", ", legacy: true, client_ca: " + pkitest.WriteCA(t, dir, "ca", ca), ca.Issue(), true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			gw := harness.Start(t, fmt.Sprintf("cwmp: {tls: {cert: %s, key: %s%s}}\n", cert, key, tc.tls))
			conf := old.Clone()
			if tc.client.Certificate != nil {
				conf.Certificates = []tls.Certificate{tc.client}
			}
			d := tls.Dialer{Config: conf}
			conn, err := d.DialContext(t.Context(), "tcp", gw.Addr("cwmp"))
			if err == nil {
				err = conn.Close()
			}
			if (err == nil) != tc.want {
				t.Errorf("TLS 1.0: got %v, want it to be let in: %v", err, tc.want)
			}
		})
	}
}
