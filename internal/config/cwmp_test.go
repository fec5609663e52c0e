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
		{"{mode: auto}", "cwmp.auth.users: nobody could log in; add a user or set mode: none"},
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
	} {
		if _, err := config.Parse("f.yaml", []byte("cwmp:\n  "+cwmp+"\n"), nil); err != nil {
			t.Errorf("%s: got %v, want nil", cwmp, err)
		}
	}
}
