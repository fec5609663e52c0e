// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
)

// oneAccount has user cpe with the password secret.
func oneAccount(_ context.Context, c *acs.Claim) ([]string, error) {
	if c.Username == "cpe" {
		return []string{"secret"}, nil
	}
	return nil, nil
}

func newAccess(tb testing.TB, o acs.AccessOptions) *acs.Access {
	tb.Helper()
	if o.Accounts == nil {
		o.Accounts = oneAccount
	}
	a, err := acs.NewAccess(o)
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

func basic(user, pass string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+pass))
}

// rfc2069 is the Authorization of a CPE that knows no qop.
func rfc2069(user, pass, nonce, uri string) string {
	resp := md5hex(md5hex(user, "uspgate", pass), nonce, md5hex("POST", uri))
	return `Digest username="` + user + `", realm="uspgate", nonce="` + nonce + `", uri="` + uri +
		`", response="` + resp + `"`
}

func sha256hex(parts ...string) string {
	h := sha256.Sum256([]byte(strings.Join(parts, ":")))
	return hex.EncodeToString(h[:])
}

// rfc7616 is the Authorization of a CPE with SHA-256.
func rfc7616(user, pass, nonce string) string {
	resp := sha256hex(sha256hex(user, "uspgate", pass), nonce, "00000001", "c0", "auth", sha256hex("POST", "/acs"))
	return `Digest username="` + user + `", realm="uspgate", nonce="` + nonce + `", algorithm=SHA-256` +
		`, uri="/acs", qop=auth, nc=00000001, cnonce="c0", response="` + resp + `"`
}

var box7 = cwmp.DeviceID{OUI: "00256d", ProductClass: "Box 1", SerialNumber: "A-7"}

func TestTemplates(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		template, name string
		want           bool
	}{
		{"{oui}-{serial}", "00256D-A-7", true},
		{"{oui}-{serial}", "00256d-A-7", true},
		{"{oui}-{serial}", "00256D-A%2D7", true},
		{"{oui}-{serial}", "00256D-A-8", false},
		{"{oui}-{serial}", "-", false},
		{"{oui}-{serial}", "", false},
		{"{oui}-{product_class}-{serial}", "00256D-Box 1-A-7", true},
		{"{oui}-{product_class}-{serial}", "00256D-Box%201-A%2D7", true},
		{"{oui}-{product_class}-{serial}", "00256D-A-7", false},
		{"cpe/{serial}@isp", "cpe/A-7@isp", true},
		{"cpe/{serial}@isp", "cpe/@isp", false},
		{"fleet", "fleet", true},
		{"fleet", "fleet2", false},
	} {
		tmpl, err := acs.ParseTemplate(tc.template)
		if err != nil {
			t.Fatal(err)
		}
		if got := tmpl.Matches(tc.name, box7); got != tc.want {
			t.Errorf("%s, %q: got %v, want %v", tc.template, tc.name, got, tc.want)
		}
	}
	for _, bad := range []string{"{", "{serial", "{sn}", "x{}"} {
		if _, err := acs.ParseTemplate(bad); err == nil {
			t.Errorf("%q: got nil, want an error", bad)
		}
		_, err := acs.NewAccess(acs.AccessOptions{Accounts: oneAccount, Usernames: []string{bad}})
		if err == nil {
			t.Errorf("%q as a rule: got nil, want an error", bad)
		}
	}
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	accounts, err := acs.NewAccounts([]acs.Account{
		{Username: "one", Password: "p1", Devices: acs.DevicePattern{SerialNumber: "A-7"}},
		{Username: "one", Password: "p2"},
		{Username: "{oui}-{serial}", PasswordFrom: "{serial}", Devices: acs.DevicePattern{OUI: "00256d"}},
		{Password: "any", Devices: acs.DevicePattern{ProductClass: "Box*", SerialNumber: "*-9*z"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	other := cwmp.DeviceID{OUI: "FFFFFF", ProductClass: "Boxer", SerialNumber: "Q-91xz"}
	for _, tc := range []struct {
		user string
		id   cwmp.DeviceID
		want string
	}{
		{"one", box7, "p1,p2"},
		{"one", cwmp.DeviceID{SerialNumber: "B"}, "p2"},
		{"00256D-A-7", box7, "A-7"},
		{"00256D-A-8", box7, ""},
		{"FFFFFF-Q-91xz", other, "any"},
		{"00256D-", cwmp.DeviceID{OUI: "00256D"}, ""}, // no serial number, no password
		{"nobody", box7, ""},
		{"", cwmp.DeviceID{}, ""},
	} {
		got, err := accounts(t.Context(), &acs.Claim{Username: tc.user, Device: tc.id})
		if err != nil || strings.Join(got, ",") != tc.want {
			t.Errorf("%s of %v: got %q, %v, want %q", tc.user, tc.id, got, err, tc.want)
		}
	}
	for _, bad := range []acs.Account{
		{Username: "{x}"},
		{Username: "u", PasswordFrom: "{x}"},
		{Username: "u", Password: "p", PasswordFrom: "{serial}"},
	} {
		if _, err := acs.NewAccounts([]acs.Account{bad}); err == nil {
			t.Errorf("%+v: got nil, want an error", bad)
		}
	}
}

// Whoever logs in as one device cannot speak for another.
func TestIdentityRules(t *testing.T) {
	t.Parallel()
	accounts, err := acs.NewAccounts([]acs.Account{
		{Username: "00256D-1", Password: "p"},
		{Username: "00256D-Box-2", Password: "p"},
	})
	if err != nil {
		t.Fatal(err)
	}
	o := acs.AccessOptions{
		Accounts: accounts, Plain: []acs.Scheme{acs.SchemeBasic},
		Usernames: []string{"{oui}-{serial}", "{oui}-{product_class}-{serial}"},
	}
	h := &script{}
	s := serve(t, h, acs.Options{Auth: newAccess(t, o)})
	for _, tc := range []struct {
		user, serial string
		want         int
	}{
		{"00256D-1", "1", http.StatusOK},
		{"00256D-Box-2", "2", http.StatusOK},
		{"00256D-1", "2", http.StatusForbidden},
		{"00256D-Box-2", "1", http.StatusForbidden},
		{"00256D-3", "3", http.StatusUnauthorized},
	} {
		p := newCPE(t, s)
		p.header = "Authorization: " + basic(tc.user, "p") + "\r\n"
		p.post(inform(tc.serial)).want(tc.want)
	}
	if h.opened() != 2 || h.infos[0].Username != "00256D-1" || h.infos[0].Method != "basic" {
		t.Fatalf("got %+v, want the two that are who they say", h.infos)
	}
}

// An account for each device: the same user name has another password elsewhere.
func TestAccountPerDevice(t *testing.T) {
	t.Parallel()
	a := newAccess(t, acs.AccessOptions{
		Plain: []acs.Scheme{acs.SchemeBasic},
		Accounts: func(_ context.Context, c *acs.Claim) ([]string, error) {
			return []string{"old of " + c.Device.SerialNumber, "new of " + c.Device.SerialNumber}, nil
		},
	})
	s := serve(t, &script{}, acs.Options{Auth: a})
	for pass, want := range map[string]int{
		"old of 1": http.StatusOK, "new of 1": http.StatusOK, "old of 2": http.StatusUnauthorized,
	} {
		p := newCPE(t, s)
		p.header = "Authorization: " + basic("admin", pass) + "\r\n"
		p.post(inform("1")).want(want)
	}
}

func TestAccountsFail(t *testing.T) {
	t.Parallel()
	a := newAccess(t, acs.AccessOptions{
		Plain:    []acs.Scheme{acs.SchemeBasic},
		Accounts: func(context.Context, *acs.Claim) ([]string, error) { return nil, errors.New("store is down") },
	})
	p := newCPE(t, serve(t, &script{}, acs.Options{Auth: a}))
	p.header = "Authorization: " + basic("cpe", "secret") + "\r\n"
	if r := p.post(inform("1")).want(http.StatusServiceUnavailable); r.head.Get("Retry-After") == "" {
		t.Fatal("got no Retry-After, want one")
	}
}

// The first login of a device that nobody knows is trusted, and the last one that
// is.
func TestTrustOnFirstUse(t *testing.T) {
	t.Parallel()
	known := map[string]string{}
	var learned []acs.Learned
	a := newAccess(t, acs.AccessOptions{
		Plain: []acs.Scheme{acs.SchemeBasic, acs.SchemeDigest},
		Accounts: func(_ context.Context, c *acs.Claim) ([]string, error) {
			if p, ok := known[c.Device.String()+c.Username]; ok {
				return []string{p}, nil
			}
			return nil, nil
		},
		Usernames: []string{"{oui}-{serial}"},
		Learn: func(_ context.Context, l acs.Learned) error {
			if l.Method != "basic" {
				return errors.New("nothing to learn from a hash")
			}
			learned = append(learned, l)
			known[l.Claim.Device.String()+l.Claim.Username] = l.Password
			return nil
		},
	})
	p := newCPE(t, serve(t, &script{}, acs.Options{Auth: a}))
	offered := p.post(inform("1")).want(http.StatusUnauthorized).head["Www-Authenticate"]
	p.header = "Authorization: " + rfc2617("00256D-1", "first", nonce(t, offered[1])) + "\r\n"
	p.post(inform("1")).want(http.StatusUnauthorized)
	p.header = "Authorization: " + basic("00256D-2", "first") + "\r\n"
	p.post(inform("1")).want(http.StatusForbidden) // learns nothing for another device
	p.header = "Authorization: " + basic("00256D-1", "first") + "\r\n"
	p.post(inform("1")).envelope("InformResponse")
	p.post("").want(http.StatusNoContent)
	p.header = "Authorization: " + basic("00256D-1", "second") + "\r\n"
	p.post(inform("1")).want(http.StatusUnauthorized)
	p.header = "Authorization: " + basic("00256D-1", "first") + "\r\n"
	p.post(inform("1")).envelope("InformResponse")
	if len(learned) != 1 || learned[0].Password != "first" || learned[0].Claim.Device.SerialNumber != "1" {
		t.Fatalf("got %+v, want one login learned", learned)
	}
}

// Without credentials nothing is parsed.
func TestRefusalBeforeParsing(t *testing.T) {
	t.Parallel()
	asked := 0
	a := newAccess(t, acs.AccessOptions{Accounts: func(context.Context, *acs.Claim) ([]string, error) {
		asked++
		return nil, nil
	}})
	p := newCPE(t, serve(t, &script{}, acs.Options{Auth: a}))
	p.post("this is no envelope").want(http.StatusUnauthorized)
	p.header = "Authorization: " + rfc2617("cpe", "secret", "0123") + "\r\n"
	stale := p.post("this is no envelope").want(http.StatusUnauthorized).head.Get("WWW-Authenticate")
	if !strings.Contains(stale, "stale=true") || asked != 0 {
		t.Fatalf("got %q and %d look-ups, want stale=true and none", stale, asked)
	}
}
