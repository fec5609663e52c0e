// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"strings"
	"testing"

	"github.com/uspgate/uspgate/internal/config"
)

// What CPE can not prove is said at the place, with the remedy.
func TestCPEAuth(t *testing.T) {
	t.Parallel()
	const user = `{username: "{oui}-{serial}", password: x}`
	for _, tc := range []struct{ auth, want string }{
		{"{mode: diget}", `cwmp.auth.mode: "diget" is not known; did you mean digest?`},
		{"{mode: auto, imported: false}", "cwmp.auth.users: nobody could log in; add a user, or set imported: true, or"},
		{"{mode: digest, learn: true}", "cwmp.auth.learn: CPE log in by Digest, which does not show the password; set mode"},
		{"{mode: auto, learn: true}", "cwmp.auth.learn: CPE log in by Digest, which does not show the password; set mode"},
		{"{learn: true}", "cwmp.auth.learn: CPE do not log in; set mode: basic"},
		{"{mode: password, users: [" + user + "]}", `cwmp.auth.mode: "password" is not known`},
		{"{users: [{password: x}]}", "cwmp.auth.users[0].username: the user has no name; name it, or the CPE"},
		{"{users: [{username: a, endpoint_id: \"self::a\"}]}", "cwmp.auth.users[0].endpoint_id: unknown key"},
		{"{users: [{username: \"{mac}\", password: x}]}", `users[0].username: "{mac}" is not a form; the fields are`},
		{"{users: [{oui: 00D09E, password_from: \"{\"}]}", `cwmp.auth.users[0].password_from: "{" is not a form`},
		{"{users: [{oui: 00D09E, password: x, password_from: a}]}", "users[0].password_from: password is set as well"},
		{"{usernames: [\"{serial\"]}", `cwmp.auth.usernames[0]: "{serial" is not a form`},
		{"{mode: basic, users: [" + user + "], sha256: [\"*\"]}", "sha256[0]: it is for OUIs, with mode digest or auto"},
		{"{certificates: only}", "cwmp.auth.certificates: certificates need cwmp.tls.client_ca; name the file"},
		{"{lockout: {first: 1h}}", "cwmp.auth.lockout.first: the first lockout is not between 0 and the longest"},
	} {
		_, err := config.Parse("f.yaml", []byte("cwmp:\n  auth: "+tc.auth+"\n"), nil)
		if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.HasPrefix(err.Error(), "f.yaml:2:") {
			t.Errorf("%s: got %v, want %s", tc.auth, err, tc.want)
		}
	}
	const tls = "tls: {cert: c, key: k, client_ca: a}\n  auth: "
	for auth, want := range map[string]string{
		"{certificates: suffices}":                                "there is no login beside certificates",
		"{mode: auto, users: [" + user + "], certificates: only}": "nobody logs in where only certificates count",
	} {
		_, err := config.Parse("f.yaml", []byte("cwmp:\n  "+tls+auth+"\n"), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", auth, err, want)
		}
	}
	for _, cwmp := range []string{
		"auth: {mode: digest, users: [{username: cpe, password: x}]}",
		`auth: {mode: auto, sha256: ["*"], users: [{serial: "X*", password_from: "{serial}"}], usernames: ["{serial}"]}`,
		"listen: :7547\n  " + tls + "{certificates: only}",
		tls + "{mode: basic, users: [" + user + "], certificates: suffices}",
		"auth: {lockout: {user_failures: 0, address_failures: 0}}",
		"auth: {mode: digest}",
		"auth: {mode: basic, imported: false, learn: true}",
		tls + "{mode: auto, learn: true}",
	} {
		if _, err := config.Parse("f.yaml", []byte("cwmp:\n  "+cwmp+"\n"), nil); err != nil {
			t.Errorf("%s: got %v, want nil", cwmp, err)
		}
	}
}

func TestCWMPBounds(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ cwmp, want string }{
		{"proxy_from: [10.0.0.1]", `cwmp.proxy_from[0]: "10.0.0.1" is not a network; write for example 10.0.0.0/8`},
		{"forwarded_from: [lb]", `cwmp.forwarded_from[0]: "lb" is not a network`},
		{"forwarded_header: X-Real-IP", `cwmp.forwarded_header: "X-Real-IP" is not known; write X-Forwarded-For, Forwarded`},
		{"max_connections: 0", "cwmp.max_connections: 0 is not positive"},
		{"max_memory: 0", "cwmp.max_memory: 0 is not positive"},
		{"tls: {legacy: true}", "cwmp.tls.legacy: there is no TLS; set cert and key"},
		{"tls: {cert: c, key: k, legacy: true, min_version: 1.3}", "cwmp.tls.legacy: old CPE do not know TLS 1.3"},
		{"tls: {shared: true}", "cwmp.tls.shared: the top-level tls block is empty"},
	} {
		_, err := config.Parse("f.yaml", []byte("cwmp: {"+tc.cwmp+"}\n"), nil)
		if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.HasPrefix(err.Error(), "f.yaml:1:") {
			t.Errorf("%s: got %v, want %s", tc.cwmp, err, tc.want)
		}
	}
	cfg, err := config.Parse("f.yaml", []byte(
		"tls: {cert: c, key: k, client_ca: a}\ncwmp: {tls: {shared: true, legacy: true}, session_rate: 0}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := cfg.CWMP.TLS; got.Cert != "c" || got.ClientCA != "a" || !got.Legacy {
		t.Errorf("got %+v, want the shared block and legacy", got)
	}
	if _, err := config.Parse("f.yaml", []byte("mtp: [{name: a, type: stomp, tls: {legacy: true}}]\n"), nil); err == nil {
		t.Error("legacy for a USP binding: got nil, want a problem")
	}
}
