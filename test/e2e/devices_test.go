// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/internal/admin"
	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/test/harness"
)

// verb runs the command line against a gateway.
type verb struct {
	t       *testing.T
	program string
	gw      *harness.Process
}

// run returns what `uspgate devices …` prints, and its exit code.
func (v *verb) run(args ...string) (string, int) {
	v.t.Helper()
	args = append(append([]string{"devices"}, args...),
		"--admin", "http://"+v.gw.AdminAt, "--token-file", filepath.Join(v.gw.Data, "admin.token"))
	cmd := exec.CommandContext(v.t.Context(), v.program, args...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		v.t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// want runs a verb that prints these.
func (v *verb) want(code int, args string, want ...string) {
	v.t.Helper()
	got, exit := v.run(strings.Fields(args)...)
	for _, w := range want {
		if exit != code || !strings.Contains(got, w) {
			v.t.Errorf("devices %s: got %d\n%s, want %d and %q", args, exit, got, code, w)
		}
	}
	if strings.Contains(got, "s3cret") {
		v.t.Errorf("devices %s: got a password:\n%s", args, got)
	}
}

// importFile imports a text.
func (v *verb) importFile(code int, text, want string) {
	v.t.Helper()
	name := filepath.Join(v.t.TempDir(), "cpe")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		v.t.Fatal(err)
	}
	v.want(code, "import "+name, want)
}

// newVerb starts a gateway with these variables, and with cwmp.auth as it is here.
func newVerb(t *testing.T, auth string, environ ...string) *verb {
	t.Helper()
	name := program(t)
	v := &verb{t: t, program: name, gw: harness.NewProcess(t, name, "", "mtp: []\ncwmp: {auth: "+auth+"}\n")}
	v.gw.Environ = append([]string{"USPGATE_CWMP__LISTEN=" + v.gw.CWMP}, environ...)
	v.gw.Start()
	return v
}

// session has a CPE of its own log in by Digest, and returns how its session went.
func session(t *testing.T, gw *harness.Process, serial, user, password string) error {
	t.Helper()
	m, err := cpe.LoadBuiltin("tr098-dsl")
	if err != nil {
		t.Fatal(err)
	}
	box, err := cpe.New(cpe.Options{
		ACS: "http://" + gw.CWMP, Model: m, Serial: serial, Username: user, Password: password, Log: harness.Log(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- box.Run(ctx) }()
	defer func() {
		cancel()
		<-done
	}()
	return (<-box.Sessions()).Err
}

// What the operator imports is how CPE log in, before and after the gateway is killed;
// no password is in its log, its answers or, with a key, its files.
func TestImportedLogins(t *testing.T) {
	t.Parallel()
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, bytes.Repeat([]byte("k"), 32), 0o600); err != nil {
		t.Fatal(err)
	}
	v := newVerb(t, "{mode: digest}", "USPGATE_ENGINE__ENCRYPT_KEY_FILE="+key)
	const csv = "oui,product_class,serial,username,password,tags\n" +
		"00D09E,DSL100,1,cpe1,s3cret-one,north\n00D09E,DSL100,2,cpe2,s3cret-two,\n00D09E,DSL100,,cpe3,s3cret-three,\n"
	if err := session(t, v.gw, "1", "cpe1", "s3cret-one"); err == nil {
		t.Error("before the import: got a session, want none")
	}
	v.importFile(3, csv, "2 added, 0 changed, 0 unchanged, 1 problems")
	v.importFile(0, `{"_id":"00D09E-DSL100-3","InternetGatewayDevice":{"ManagementServer":`+
		`{"Username":{"_value":"cpe3"},"Password":{"_value":"s3cret-three"}}}}`,
		"1 added, 0 changed, 0 unchanged, 0 problems")
	for _, round := range []string{"at first", "after a kill"} {
		for _, tc := range []struct {
			serial, user, password string
			ok                     bool
		}{
			{"1", "cpe1", "s3cret-one", true},
			{"3", "cpe3", "s3cret-three", true},
			{"2", "cpe2", "s3cret-one", false},
			{"2", "cpe1", "s3cret-one", false}, // another's
			{"4", "cpe1", "s3cret-one", false}, // nobody's
		} {
			if err := session(t, v.gw, tc.serial, tc.user, tc.password); (err == nil) != tc.ok {
				t.Errorf("%s, %s as %s: got %v, want a session %t", round, tc.serial, tc.user, err, tc.ok)
			}
		}
		v.gw.Kill()
		noPasswords(t, v.gw)
		v.gw.Start()
	}
	v.want(0, "list", "00D09E-DSL100-1  ops::00D09E-DSL100-1  asleep    never", "imported  north",
		"00D09E-DSL100-2  ops::00D09E-DSL100-2  expected  never")
	v.want(0, "list --state expected -o json", `"device": "00D09E-DSL100-2"`)
	v.want(0, "show ops::00D09E-DSL100-1", "software version", "acs login               cpe1 (imported ")
	v.importFile(0, "oui,product_class,serial,username,password\n00D09E,DSL100,1,cpe1,s3cret-new\n", "1 changed")
	if err := session(t, v.gw, "1", "cpe1", "s3cret-one"); err == nil {
		t.Error("with the old password: got a session, want none")
	}
	v.want(0, "unlist 00D09E-DSL100-1", "taken back")
	if err := session(t, v.gw, "1", "cpe1", "s3cret-new"); err == nil {
		t.Error("off the list: got a session, want none")
	}
}

// noPasswords looks for them where they have no place.
func noPasswords(t *testing.T, gw *harness.Process) {
	t.Helper()
	if strings.Contains(gw.Log(), "s3cret") {
		t.Error("got a password in the log")
	}
	if info, err := os.Stat(gw.Data); err != nil || info.Mode().Perm()&0o007 != 0 {
		t.Errorf("got %v, %v, want a directory that others can not enter", info.Mode(), err)
	}
	err := filepath.WalkDir(gw.Data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte("s3cret")) {
			t.Errorf("got a password in %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// The first login in the name of a CPE is trusted, and no other until it is taken back.
func TestLearnedLogin(t *testing.T) {
	t.Parallel()
	v := newVerb(t, "{mode: basic, learn: true}")
	door := &doorbell{t: t, url: "http://" + v.gw.CWMP}
	ring := func(serial, user, password string, want int) {
		t.Helper()
		if got, _ := door.ring(serial, user, password); got != want {
			t.Errorf("%s as %s with %s: got %d, want %d", serial, user, password, got, want)
		}
	}
	v.importFile(0, "oui,product_class,serial,username,password\n00D09E,P,9,imported,s3cret-nine\n", "1 added")
	ring("1", "", "", http.StatusUnauthorized)
	ring("1", "a", "s3cret-1", http.StatusOK)
	for range 2 {
		ring("1", "a", "s3cret-2", http.StatusUnauthorized)
		ring("1", "b", "s3cret-1", http.StatusUnauthorized)
		ring("1", "a", "s3cret-1", http.StatusOK)
		ring("9", "x", "y", http.StatusUnauthorized)
		ring("9", "imported", "s3cret-nine", http.StatusOK)
		v.gw.Kill()
		v.gw.Start()
	}
	v.want(0, "show 00D09E-P-1", "acs login               a (learned ")
	v.want(0, "forget-login 00D09E-P-1", "a login of 00D09E-P-1: taken back")
	v.want(0, "forget-login 00D09E-P-1", "there was none")
	ring("1", "b", "s3cret-2", http.StatusOK)
	ring("1", "a", "s3cret-1", http.StatusUnauthorized)
	if log := v.gw.Log(); strings.Contains(log, "s3cret") || !strings.Contains(log, "first login of a CPE is trusted") {
		t.Errorf("got\n%s\nwant what was learned, without a password", log)
	}
}

// A CPE that was imported is woken before its first Inform, with the login that was.
func TestImportedCPEIsWoken(t *testing.T) {
	t.Parallel()
	v := newVerb(t, "{mode: none}")
	door := &doorbell{t: t, url: "http://" + v.gw.CWMP}
	rung := make(chan int, 1)
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if login := r.Header.Get("Authorization"); !strings.Contains(login, `username="cr"`) {
			w.Header().Set("WWW-Authenticate", `Digest realm="r", nonce="n", qop="auth"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		status, _ := door.ring("7", "", "")
		rung <- status
	}))
	defer listener.Close()
	v.importFile(0, fmt.Sprintf("oui,product_class,serial,connection_request_username,connection_request_password,"+
		"connection_request_url\n00D09E,P,7,cr,s3cret,%s/x\n", listener.URL), "1 added")
	v.want(0, "show 00D09E-P-7", "state                   expected", "(imported)", "user names              cr")
	if _, text, err := v.gw.Probe("/metrics"); err != nil || !strings.Contains(text, "uspgate_devices 0\n") {
		t.Errorf("got %v, and a CPE that counts as known before it has come", err)
	}
	v.want(0, "wake ops::00D09E-P-7", "a session has come, by http")
	if status := <-rung; status != http.StatusOK {
		t.Errorf("got %d for the Inform, want 200", status)
	}
	v.want(0, "list --serial 7 --oui 00d09e", "asleep")
	v.want(1, "show 00D09E-P-8", "there is no device")
}

// A list has what is asked for, in pages, of those that have come and of those that are
// expected.
func TestDevicesAreListed(t *testing.T) {
	t.Parallel()
	v := newVerb(t, "{mode: basic, users: [{username: twin, password: x}]}")
	v.importFile(0, "oui,product_class,serial,username,password,tags\n00D09E,P,A-1,u1,x,north\n00D09E,P,A-2,u2,x,north\n"+
		"00D09E,P,B-1,u3,x,south\n00256D,,9,u4,x,south\n", "4 added")
	door := &doorbell{t: t, url: "http://" + v.gw.CWMP}
	for serial, user := range map[string]string{"A-2": "u2", "B-1": "u3"} {
		if got, _ := door.ring(serial, user, "x"); got != http.StatusOK {
			t.Fatalf("%s: got %d, want 200", serial, got)
		}
	}
	harness.Eventually(t, func() error { // neither has a URL to be woken at
		if out, _ := v.run("list", "--tag", "north"); !strings.Contains(out, "asleep") {
			return errors.New(out)
		}
		if out, _ := v.run("list", "--serial", "B"); !strings.Contains(out, "asleep") {
			return errors.New(out)
		}
		return nil
	})
	const a1, a2, b1, other = "00D09E-P-A%2D1", "00D09E-P-A%2D2", "00D09E-P-B%2D1", "00256D-9"
	for args, want := range map[string][]string{
		"":                                {other, a1, a2, b1},
		"--limit 3":                       {other, a1, a2},
		"--limit 4 --all":                 {other, a1, a2, b1},
		"--limit 1 --all":                 {other, a1, a2, b1},
		"--after " + a1:                   {a2, b1},
		"--oui 00d09e --serial A":         {a1, a2},
		"--product-class P --limit 2":     {a1, a2},
		"--state expected":                {other, a1},
		"--state asleep":                  {a2, b1},
		"--state session":                 {},
		"--tag north":                     {a1, a2},
		"--tag south --state asleep":      {b1},
		"--tag south --state expected":    {other},
		"--tag nowhere":                   {},
		"--quarantined":                   {},
		"--tag north --quarantined --all": {},
	} {
		var page admin.DevicePage
		out, code := v.run(append([]string{"list", "-o", "json"}, strings.Fields(args)...)...)
		if err := json.Unmarshal([]byte(out), &page); err != nil || code != 0 {
			t.Fatalf("list %s: got %d\n%s, %v", args, code, out, err)
		}
		got := []string{}
		for _, d := range page.Devices {
			got = append(got, d.ID)
		}
		if more := args == "--limit 3" || args == "--product-class P --limit 2"; !slices.Equal(got, want) ||
			(page.Next != "") != more {
			t.Errorf("list %s: got %q, next %q, want %q", args, got, page.Next, want)
		}
	}
	v.want(0, "show "+a2, "acs login               u2 (imported", "last inform             ", "provisioning")
	v.want(0, "unlist "+a1, "taken back")
	v.want(0, "unlist "+a2, "taken back")
	v.want(1, "show "+a1, "there is no device")
	v.want(0, "show "+a2, "acs login               none of its own")

	v.importFile(0, "oui,product_class,serial,username,password\n00D09E,P,A-1,u1,x\n", "1 added")
	for _, user := range []string{"u1", "twin", "u1"} {
		door.ring("A-1", user, "x")
	}
	v.want(0, "list --quarantined", "asleep, quarantine", a1)
	v.want(0, "show "+a1, "user name twin; ", "user name u1\n", "state                   asleep, quarantine")
}
