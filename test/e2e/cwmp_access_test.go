// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/soap"
	"github.com/uspgate/uspgate/internal/pki/pkitest"
	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/test/harness"
)

// doorbell sends single Informs to an ACS.
type doorbell struct {
	t   *testing.T
	url string
	tls *tls.Config
	// before is sent ahead of everything else, header with the Inform.
	before, header string
}

// ring is one Inform of a device, over a connection of its own, and the end of the
// session; user is empty for no Basic login. It returns the status and the
// challenges.
func (d *doorbell) ring(serial, user, password string) (status int, challenges []string) {
	d.t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: d.tls, DialContext: d.dial}}
	defer client.CloseIdleConnections()
	resp := d.post(client, string(informOf(d.t, serial)), user, password)
	if resp.StatusCode == http.StatusOK {
		cookie, _, _ := strings.Cut(resp.Header.Get("Set-Cookie"), ";")
		for end := resp; end.StatusCode == http.StatusOK; {
			end = d.post(client, "", "", "", cookie)
		}
	}
	return resp.StatusCode, resp.Header.Values("WWW-Authenticate")
}

// informOf is an envelope with an Inform of a device.
func informOf(t *testing.T, serial string) []byte {
	t.Helper()
	body, err := soap.Append(nil, &cwmp.Envelope{ID: "1", Body: &cwmp.Inform{
		DeviceID:    cwmp.DeviceID{Manufacturer: "M", OUI: "00D09E", ProductClass: "P", SerialNumber: serial},
		Events:      []cwmp.Event{{Code: cwmp.EventPeriodic}},
		CurrentTime: "2026-01-01T00:00:00Z", MaxEnvelopes: 1,
	}})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func (d *doorbell) post(client *http.Client, body, user, password string, cookies ...string) *http.Response {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), http.MethodPost, d.url, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	for _, c := range cookies {
		req.Header.Set("Cookie", c)
	}
	if user != "" {
		req.SetBasicAuth(user, password)
	}
	if name, value, ok := strings.Cut(d.header, ": "); ok {
		req.Header.Set(name, value)
	}
	resp, err := client.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		d.t.Fatal(err)
	}
	return resp
}

func (d *doorbell) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err == nil && d.before != "" {
		_, err = conn.Write([]byte(d.before))
	}
	return conn, err
}

// Without TLS a CPE is asked for Digest, with it for Basic, and for one of them
// alone.
func TestQuirk45AuthAuto(t *testing.T) {
	t.Parallel()
	ca := pkitest.NewAuthority(t, "CA")
	cert, key := pkitest.WritePair(t, t.TempDir(), "acs", ca.Issue())
	trust := &tls.Config{RootCAs: ca.Pool(), MinVersion: tls.VersionTLS12}
	const auth = "  auth: {mode: auto, users: [{username: cpe, password: secret}]}\n"
	for scheme, block := range map[string]string{
		"Digest": "", "Basic": fmt.Sprintf("  tls: {cert: %s, key: %s}\n", cert, key),
	} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			gw := harness.Start(t, "cwmp:\n"+auth+block)
			url := gw.ACS()
			if block != "" {
				url = "https://" + gw.Addr("cwmp")
			}
			door := &doorbell{t: t, url: url, tls: trust}
			status, offered := door.ring("9", "", "")
			if status != http.StatusUnauthorized || len(offered) != 1 || !strings.HasPrefix(offered[0], scheme+" ") {
				t.Errorf("without a login: got %d, %q, want 401 and one challenge of %s", status, offered, scheme)
			}
			box := gw.CPE("tr098-dsl", func(o *cpe.Options) {
				o.ACS, o.TLS, o.Username, o.Password = url, trust, "cpe", "secret"
			})
			const name = "Device.DeviceInfo.SerialNumber"
			if got := get(t, gw.WS(), box, name); got[name] != "1" {
				t.Errorf("got %v, want the serial number 1", got)
			}
		})
	}
}

// One entry is the account of each CPE of a make, and no CPE can use another's.
func TestUserTemplate(t *testing.T) {
	t.Parallel()
	gw := harness.Start(t, `cwmp:
  auth:
    mode: basic
    users:
      - {username: "{oui}-{serial}", password_from: "pw-{serial}", oui: "00D0*", serial: "A*"}
      - {username: lab, password: lab, product_class: P}
      - {username: staff, password: staff, product_class: Q}
    usernames: ["{oui}-{serial}", "lab"]
`)
	door := &doorbell{t: t, url: gw.ACS()}
	for _, tc := range []struct {
		serial, user, password string
		want                   int
	}{
		{"A1", "00D09E-A1", "pw-A1", http.StatusOK},
		{"A2", "00d09e-A2", "pw-A2", http.StatusOK},
		{"A3", "00D09E-A3", "pw-A1", http.StatusUnauthorized},
		{"A4", "00D09E-A1", "pw-A1", http.StatusUnauthorized}, // another's
		{"B1", "00D09E-B1", "pw-B1", http.StatusUnauthorized}, // not of the pattern
		{"B2", "lab", "lab", http.StatusOK},
		{"B3", "staff", "staff", http.StatusUnauthorized},
	} {
		if got, _ := door.ring(tc.serial, tc.user, tc.password); got != tc.want {
			t.Errorf("%s as %s with %s: got %d, want %d", tc.serial, tc.user, tc.password, got, tc.want)
		}
	}
}

// A client certificate with the name of the device takes the place of a login.
func TestCPECertificateSuffices(t *testing.T) {
	t.Parallel()
	ca, dir := pkitest.NewAuthority(t, "CA"), t.TempDir()
	cert, key := pkitest.WritePair(t, dir, "acs", ca.Issue())
	gw := harness.Start(t, fmt.Sprintf(`cwmp:
  tls: {cert: %s, key: %s, client_ca: %s}
  auth: {mode: basic, users: [{username: cpe, password: secret}], certificates: suffices}
`, cert, key, pkitest.WriteCA(t, dir, "ca", ca)))
	trust := &tls.Config{RootCAs: ca.Pool(), MinVersion: tls.VersionTLS12}
	own := trust.Clone()
	own.Certificates = []tls.Certificate{ca.IssueAs(&x509.Certificate{Subject: pkix.Name{CommonName: "00D09E-1"}})}
	for _, tc := range []struct {
		name, serial, user string
		tls                *tls.Config
		want               int
	}{
		{"its own certificate", "1", "", own, http.StatusOK},
		{"that of another", "2", "cpe", own, http.StatusForbidden},
		{"none, with a login", "3", "cpe", trust, http.StatusOK},
		{"nothing", "4", "", trust, http.StatusUnauthorized},
	} {
		door := &doorbell{t: t, url: "https://" + gw.Addr("cwmp"), tls: tc.tls}
		if got, _ := door.ring(tc.serial, tc.user, "secret"); got != tc.want {
			t.Errorf("%s: got %d, want %d", tc.name, got, tc.want)
		}
	}
}

// Two boxes that say they are the same device are kept apart from everything.
func TestQuirk27Quarantine(t *testing.T) {
	t.Parallel()
	gw := harness.Start(t, `cwmp: {auth: {mode: basic, users: [{username: a, password: x}, {username: b, password: x}]}}
`)
	door := &doorbell{t: t, url: gw.ACS()}
	for _, user := range []string{"a", "b"} {
		door.ring("1", user, "x")
	}
	if got := metrics(t, gw); !strings.Contains(got, "uspgate_quarantined_devices 0\n") {
		t.Error("got a CPE in quarantine that has a new user name, want none")
	}
	door.ring("1", "a", "x")
	got := metrics(t, gw)
	if !strings.Contains(got, "uspgate_quarantined_devices 1\n") ||
		!strings.Contains(got, `uspgate_cwmp_faults_total{code="8001"} 1`) {
		t.Errorf("got\n%s\nwant one CPE in quarantine, and Fault 8001", got)
	}
}

// CPE of the OUIs that are named are asked for SHA-256, and a CPE that does what it
// was not asked for is let in where that is allowed.
func TestSHA256AndUnasked(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		more, offered string
		basic         int
	}{
		{"", "algorithm=MD5", http.StatusUnauthorized},
		{", sha256: [\"00d0*\"]", "algorithm=SHA-256", http.StatusUnauthorized},
		{", sha256: [\"AABB*\"], unasked: true", "algorithm=MD5", http.StatusOK},
	} {
		gw := harness.Start(t, fmt.Sprintf("cwmp: {auth: {mode: digest, users: [{username: u, password: x}]%s}}\n", tc.more))
		door := &doorbell{t: t, url: gw.ACS()}
		if _, got := door.ring("1", "", ""); len(got) != 1 || !strings.Contains(got[0], tc.offered) {
			t.Errorf("%q: got %q, want one challenge with %s", tc.more, got, tc.offered)
		}
		if got, _ := door.ring("1", "u", "x"); got != tc.basic {
			t.Errorf("%q: got %d for Basic, want %d", tc.more, got, tc.basic)
		}
	}
}
