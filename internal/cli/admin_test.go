// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/uspgate/uspgate/internal/admin"
	"github.com/uspgate/uspgate/internal/cli"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// known is a router that has seen what it says.
type known struct{}

func (known) Endpoints() []routing.EndpointInfo {
	return []routing.EndpointInfo{
		{EndpointID: "os::00D09E-1", Role: "agent", Kind: "link", MTP: mtp.MQTT, State: routing.Online, LastSeen: time.Now()},
		{EndpointID: "os::00D09E-2", Role: "agent", Kind: "static", State: routing.Unknown},
		{
			EndpointID: "self::\x1b[2Jc", Role: "controller", Kind: "link", MTP: mtp.WebSocket, State: routing.Offline,
			LastSeen: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		},
	}
}

func (k known) Endpoint(a usp.Address) (routing.EndpointInfo, bool) {
	for _, e := range k.Endpoints() {
		if e.EndpointID == a.ID && e.Role == a.Role.String() {
			return e, true
		}
	}
	return routing.EndpointInfo{}, false
}

func (known) Routes() []routing.Route {
	return []routing.Route{
		{Match: "os::00D09E-2", Role: usp.RoleAgent},
		{
			Match: "ops::*", Via: "up", Fallback: []string{"up2"}, Destination: "usp/{endpoint_id}",
			AllowFrom: []string{"self::*"},
		},
	}
}

func (known) Rules() []routing.Rule {
	return []routing.Rule{{From: "self::guest", Role: usp.RoleAgent, Deny: true}}
}

func (known) Aliases() []routing.Alias {
	return []routing.Alias{{Alias: "self::nick", Endpoint: "os::00D09E-1"}}
}

func (known) Explanations(from usp.EndpointID, to usp.Address) []routing.Explanation {
	roles := []usp.Role{to.Role}
	if to.Role == usp.RoleUnknown {
		roles = []usp.Role{usp.RoleAgent, usp.RoleController}
	}
	var out []routing.Explanation
	for _, role := range roles {
		out = append(out, routing.Explanation{
			EndpointID: to.ID, Role: role.String(), From: from, Verdict: routing.Refused, Reason: "it is a test",
		})
	}
	return out
}

func (known) Queues() []routing.QueueInfo {
	return []routing.QueueInfo{{EndpointID: "os::00D09E-2", Role: "agent", Records: 3, Bytes: 1200, Oldest: time.Now()}}
}

func (known) ShowQueue(_ context.Context, l buffer.Lane, limit int) ([]buffer.Item, error) {
	rec := usp.NewNoSession("self::c", l.To.ID, "", []byte("x"))
	items := []buffer.Item{{Lane: l, Record: rec, Seq: 7, At: time.Now()}, {Lane: l, Record: rec, Seq: 8, At: time.Now()}}
	return items[:min(limit, len(items))], nil
}

func (known) PurgeQueue(context.Context, buffer.Lane) (int, error) { return 3, nil }

func (known) Drops() []buffer.Drop {
	to := usp.Address{ID: "os::00D09E-2", Role: usp.RoleAgent}
	return []buffer.Drop{{Lane: buffer.Lane{To: to}, Seq: 5, Records: 2, Reason: buffer.ReasonExpired, At: time.Now()}}
}

// gateway serves the admin API and returns the flags that lead to it.
func gateway(t *testing.T) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "admin.token")
	s, err := admin.New(admin.Options{Listen: "127.0.0.1:0", TokenFile: file, Router: known{}, Devices: devices{}})
	if err != nil {
		t.Fatalf("New: got %v, want nil", err)
	}
	if err := s.Listen(t.Context()); err != nil {
		t.Fatalf("Listen: got %v, want nil", err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: got %v, want nil", err)
		}
	})
	return []string{"--admin", "http://" + s.Addr(), "--token-file", file}
}

// run is the command line with a fresh environment.
func run(t *testing.T, environ []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, failed bytes.Buffer
	code = cli.Run(t.Context(), cli.Env{Version: "test", Stdout: &out, Stderr: &failed, Environ: environ}, args)
	return code, out.String(), failed.String()
}

// TestAdminTables: what each verb prints for people.
func TestAdminTables(t *testing.T) {
	t.Parallel()
	flags := gateway(t)
	agent := routing.Explanation{
		EndpointID: "os::00D09E-1", Role: "agent", Verdict: routing.Refused, Reason: "it is a test",
	}
	controller, guest := agent, agent
	controller.Role, guest.From = "controller", "self::guest"
	endpoints := []string{
		"ENDPOINT ID   ROLE        KIND    MTP        STATE    LAST SEEN",
		"os::00D09E-1  agent       link    mqtt       online   now",
		"os::00D09E-2  agent       static             unknown  never",
		"self::·[2Jc   controller  link    websocket  offline  2026-01-02 03:04:05",
	}
	vectors := []struct {
		args string
		want []string
	}{
		{"endpoints list", endpoints},
		{"endpoints show os::00D09E-1", []string{
			"ENDPOINT ID   ROLE   KIND  MTP   STATE   LAST SEEN",
			"os::00D09E-1  agent  link  mqtt  online  now",
			"", agent.String(),
		}},
		{"routes list", []string{
			"MATCH         ROLE    VIA      DESTINATION        ALLOW FROM  TRANSIT",
			"os::00D09E-2  agent                               anyone      no",
			"ops::*        either  up, up2  usp/{endpoint_id}  self::*     no",
			"",
			"RULE  FROM         TO  ROLE",
			"deny  self::guest  *   agent",
			"",
			"ALIAS       ENDPOINT ID",
			"self::nick  os::00D09E-1",
		}},
		{"routes explain os::00D09E-1", []string{agent.String(), controller.String()}},
		{"routes explain os::00D09E-1 --role agent --from self::guest", []string{guest.String()}},
		{"queues list", []string{
			"ENDPOINT ID   ROLE   FROM  RECORDS  BYTES  OLDEST",
			"os::00D09E-2  agent        3        1200   now",
		}},
	}
	for _, v := range vectors {
		code, got, failed := run(t, nil, append(strings.Fields(v.args), flags...)...)
		if want := strings.Join(v.want, "\n") + "\n"; code != cli.ExitDone || got != want || failed != "" {
			t.Errorf("%s: got %d %s\n%s, want\n%s", v.args, code, failed, got, want)
		}
	}
}

// TestAdminJSON: what each verb prints for programs.
func TestAdminJSON(t *testing.T) {
	t.Parallel()
	flags := append(gateway(t), "-o", "json")
	for args, want := range map[string]string{
		"endpoints list": `"kind": "static",
    "mtp": "",
    "state": "unknown"
  }`,
		"endpoints show os::00D09E-1": `"explanations": [`,
		"routes list":                 `"alias": "self::nick"`,
		"routes explain os::x":        `"verdict": "refused"`,
		"queues list":                 `"records": 3`,
	} {
		code, got, failed := run(t, nil, append(strings.Fields(args), flags...)...)
		if code != cli.ExitDone || !json.Valid([]byte(got)) || !strings.Contains(got, want) {
			t.Errorf("%s: got %d %s%s, want JSON with %s", args, code, failed, got, want)
		}
	}
}

// TestAdminFails: each failure is a sentence that says what to do.
func TestAdminFails(t *testing.T) {
	t.Parallel()
	flags := gateway(t)
	url, file := flags[1], flags[3]
	wrong := filepath.Join(t.TempDir(), "wrong")
	if err := os.WriteFile(wrong, []byte("0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	vectors := []struct {
		args []string
		code int
		says string
	}{
		{[]string{"queues", "list", "--admin", closed.URL, "--token-file", file}, cli.ExitFailed, "nobody listens at"},
		{[]string{"queues", "list", "--admin", other.URL, "--token-file", file}, cli.ExitFailed, "not the admin API"},
		{[]string{"queues", "list", "--admin", url, "--token-file", wrong}, cli.ExitFailed, "does not take the token"},
		{[]string{"queues", "list", "--admin", url, "--token-file", "/nowhere/t"}, cli.ExitFailed, "no token at /nowhere/t"},
		{[]string{"queues", "list", "--admin", "http://192.0.2.1:7557", "--token-file", file}, cli.ExitUsage, "in clear"},
		{[]string{"queues", "list", "--admin", "ftp://x", "--token-file", file}, cli.ExitUsage, "want http://"},
		{append([]string{"queues", "list", "-o", "xml"}, flags...), cli.ExitUsage, "write table or json"},
		{append([]string{"endpoints", "show", "os::none"}, flags...), cli.ExitFailed, "does not know os::none"},
		{append([]string{"endpoints", "show"}, flags...), cli.ExitUsage, "takes one Endpoint ID"},
		{append([]string{"routes", "explain", "a", "b"}, flags...), cli.ExitUsage, "takes one Endpoint ID"},
		{append([]string{"routes", "explain", "a", "--role", "x"}, flags...), cli.ExitUsage, "--role"},
		{append([]string{"queues", "purge"}, flags...), cli.ExitUsage, "takes one Endpoint ID"},
		{append([]string{"queues", "show", "os::00D09E-2", "--limit", "0"}, flags...), cli.ExitFailed, "limit"},
		{append([]string{"routes", "nonsense"}, flags...), cli.ExitUsage, "unknown verb"},
	}
	for _, v := range vectors {
		code, got, failed := run(t, nil, v.args...)
		if code != v.code || got != "" || !strings.Contains(failed, v.says) || strings.Count(failed, "\n") != 1 {
			t.Errorf("%q: got %d %s%s, want %d and one line with %q", v.args, code, got, failed, v.code, v.says)
		}
	}
}

// TestTokenFileOfEnvironment: the token is looked for where a gateway with
// this environment has it.
func TestTokenFileOfEnvironment(t *testing.T) {
	t.Parallel()
	flags := gateway(t)
	file := flags[3]
	for _, environ := range [][]string{
		{"USPGATE_DATA_DIR=" + filepath.Dir(file)},
		{"USPGATE_DATA_DIR=/nowhere", "USPGATE_ADMIN__TOKEN_FILE=" + file},
	} {
		if code, _, failed := run(t, environ, "queues", "list", "--admin", flags[1]); code != cli.ExitDone {
			t.Errorf("%q: got %d %s, want 0", environ, code, failed)
		}
	}
	_, _, failed := run(t, nil, "queues", "list", "--admin", flags[1])
	if want := "uspgate-data/admin.token"; !strings.Contains(failed, want) {
		t.Errorf("no environment: got %q, want %s", failed, want)
	}
}

// TestQueueVerbs: what waits is shown and purged, what was given up is listed.
func TestQueueVerbs(t *testing.T) {
	t.Parallel()
	flags := gateway(t)
	for _, v := range []struct {
		args []string
		want []string
	}{
		{[]string{"queues", "show", "os::00D09E-2"}, []string{"SEQ", "no_session_context", "self::c", "\n8 "}},
		{[]string{"queues", "show", "os::00D09E-2", "-o", "json", "--limit", "1"}, []string{`"seq": 7`}},
		{[]string{"queues", "show", "os::other"}, []string{"SEQ"}},
		{[]string{"queues", "purge", "os::00D09E-2", "--role", "agent"}, []string{"3 Records dropped"}},
		{[]string{"queues", "purge", "os::00D09E-2", "--role", "controller"}, []string{"0 Records dropped"}},
		{[]string{"queues", "drops"}, []string{"REASON", "os::00D09E-2", "expired"}},
		{[]string{"nodes", "list"}, []string{"NODE"}},
	} {
		code, out, failed := run(t, nil, append(v.args, flags...)...)
		if code != cli.ExitDone {
			t.Errorf("%q: got %d %s, want 0", v.args, code, failed)
		}
		for _, want := range v.want {
			if !strings.Contains(out, want) {
				t.Errorf("%q: got\n%s\nwant %q in it", v.args, out, want)
			}
		}
	}
}
