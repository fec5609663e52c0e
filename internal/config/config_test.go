// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/config"
)

var update = flag.Bool("update", false, "rewrite configs/uspgate.yaml")

func TestDefaultsAreValid(t *testing.T) {
	t.Parallel()
	cfg, err := config.Parse("", nil, nil)
	if err != nil {
		t.Fatalf("got %v, want no problem", err)
	}
	if got, want := cfg.MTP[0].Listen, "127.0.0.1:8080"; got != want {
		t.Errorf("got listener %q, want %q", got, want)
	}
}

func TestReferenceFileIsTheDefault(t *testing.T) {
	t.Parallel()
	file := filepath.Join("..", "..", "configs", "uspgate.yaml")
	cfg := config.Default()
	want := "# Every key of uspgate with its default. Made by: uspgate config print\n" + config.Print(&cfg)
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("configs/uspgate.yaml is not what config print says; run go test ./internal/config -update")
	}
	parsed, err := config.Parse(file, got, nil)
	if err != nil {
		t.Fatalf("the reference file does not load: %v", err)
	}
	if again := config.Print(parsed); again != config.Print(&cfg) {
		t.Errorf("loading the reference file changes it:\n%s", again)
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ yaml, want string }{
		"typo": {
			"cwmp:\n  listne: :7547\n",
			"f.yaml:2:3: cwmp.listne: unknown key; did you mean listen?",
		},
		"polling all the time": {
			"translate: {poll_interval: 5s}\n",
			"f.yaml:1:13: translate.poll_interval: that often no CPE should be woken; write 10s or more, or 0 for not at all",
		},
		"two at once": {
			"log: {level: loud, colour: red}\n",
			"f.yaml:1:20: log.colour: unknown key; known keys: level, format",
		},
		"not a duration": {
			"translate:\n  deadline: soon\n",
			`f.yaml:2:13: translate.deadline: "soon" is not a duration, write for example 30s or 5m`,
		},
		"twice": {
			"log:\n  level: info\n  level: warn\n",
			`f.yaml:3:3: mapping key "level" already defined at [2:3]`,
		},
		"enum": {
			"log:\n  level: inof\n",
			`f.yaml:2:3: log.level: "inof" is not known; did you mean info?`,
		},
		"exposed": {
			"cwmp:\n  listen: :7547\n",
			"f.yaml:2:3: cwmp.listen: :7547 is reachable from outside and asks nobody who they are; " +
				"set auth.mode, listen on 127.0.0.1, or say insecure: true",
		},
		"list expected": {
			"mtp: yes\n",
			"f.yaml:1:6: mtp: want a list",
		},
		"endpoint": {
			"controllers:\n  - endpoint_id: me\n",
			`f.yaml:2:5: controllers[0].endpoint_id: "me": not an Endpoint ID: no colon, want scheme:authority:instance; ` +
				"write for example self::controller",
		},
		"no password": {
			"cwmp:\n  auth: {mode: digest, users: [{username: a}]}\n",
			"f.yaml:2:32: cwmp.auth.users[0].password: the user has no password and anybody could log in; " +
				"set password, password_file or password_from",
		},
		"same address": {
			"mtp:\n  - {name: a, type: websocket}\n  - {name: b, type: websocket}\n",
			"f.yaml:3:5: mtp[1].listen: 127.0.0.1:8080 is taken by mtp[0].listen; choose another port",
		},
		"key of another type": {
			"mtp:\n  - {name: a, type: mqtt, path: /usp}\n",
			"f.yaml:2:27: mtp[0].path: not a key of type mqtt; it is for websocket, coap",
		},
		"key of the other role": {
			"mtp:\n  - {name: a, type: mqtt, connect: \"mqtt://b\", endpoint_id: \"self::g\", role: agent, plain: true}\n",
			"f.yaml:2:85: mtp[0].plain: a key of the server role; the binding has connect, which makes it a client",
		},
		"both roles": {
			"mtp:\n  - name: a\n    type: stomp\n    listen: 127.0.0.1:1\n    connect: stomp://b\n",
			"f.yaml:4:5: mtp[0].listen: the binding has connect and cannot listen too; make it two bindings",
		},
		"scheme": {
			"mtp:\n  - {name: a, type: stomp, connect: \"mqtt://b\", endpoint_id: \"self::g\", role: agent}\n",
			`f.yaml:2:28: mtp[0].connect: "mqtt://b" is not a URL of type stomp; it begins with stomp:// or stomps://`,
		},
		"role on a broker": {
			"mtp:\n  - {name: a, type: stomp, connect: \"stomp://b\", endpoint_id: \"self::g\"}\n",
			"f.yaml:2:5: mtp[0].role: on somebody else's broker it cannot be found out; set agent or controller",
		},
		"socket without Endpoint": {
			"mtp:\n  - {name: a, type: uds, listen: /run/a.sock}\n",
			"f.yaml:2:5: mtp[0].presents: the socket shows no Endpoint; name the one that is behind it [R-UDS.17]",
		},
		"trunk without names": {
			"mtp:\n  - {name: a, type: websocket, trunk: true}\n",
			`f.yaml:2:5: mtp[0].speaks_for: a trunk speaks for many Endpoints, and none is named; ` +
				`name them, for example ["ops::00D09E-*"]`,
		},
		"route via nobody": {
			"routes:\n  - {endpoint_id: \"*\", role: agent, via: up}\n",
			`f.yaml:2:37: routes[0].via: there is no binding "up"; name one of mtp`,
		},
		"route via a listener": {
			"routes:\n  - {endpoint_id: \"*\", role: agent, via: ws}\n",
			`f.yaml:2:37: routes[0].via: each connection of "ws" has an Endpoint of its own; ` +
				"name a trunk or a shared connection to a broker",
		},
		"connection per Agent to an Agent": {
			"mtp:\n  - {name: a, type: websocket, connect: \"ws://b/usp\", link: per_agent, role: agent, peer: \"self::c\"}\n",
			"f.yaml:2:72: mtp[0].role: only a Controller can be given one connection per Agent; set role: controller",
		},
		"connection per Agent to nobody": {
			"mtp:\n  - {name: a, type: websocket, connect: \"ws://b/usp\", link: per_agent, role: controller}\n",
			"f.yaml:2:5: mtp[0].peer: a connection per Agent is for one Controller, and none is named; " +
				"write for example self::controller",
		},
		"shared block": {
			"mtp:\n  - {name: a, type: websocket, tls: {shared: true}}\n",
			"f.yaml:2:38: mtp[0].tls.shared: the top-level tls block is empty; set tls.cert and tls.key",
		},
		"syntax": {
			"cwmp: [\n",
			"f.yaml:1:7: sequence end token ']' not found",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Parse("f.yaml", []byte(tc.yaml), nil)
			var problems config.ProblemsError
			if !errors.As(err, &problems) {
				t.Fatalf("got %v, want problems", err)
			}
			for _, p := range problems {
				if p.String() == tc.want {
					return
				}
			}
			t.Errorf("got\n%v\nwant\n%s", err, tc.want)
		})
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	t.Parallel()
	_, err := config.Parse("f.yaml", []byte(
		"lgo: 1\ncwmp: {max_sessions: many}\nmetrics: {listn: x}\nlog: {level: loud}\n"), nil)
	if got := strings.Count(err.Error(), "\n") + 1; got != 4 {
		t.Errorf("got %d problems, want 4: a value that is not allowed beside what is not read:\n%v", got, err)
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	cfg, err := config.Parse("", nil, []string{
		"USPGATE_CWMP__LISTEN=127.0.0.1:1", "USPGATE_MTP__WS__PATH=/x", "USPGATE_TRANSLATE__FRESHNESS=0s", "HOME=/",
	})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.CWMP.Listen != "127.0.0.1:1" || cfg.MTP[0].Path != "/x" || cfg.Translate.Freshness != 0 {
		t.Errorf("got %q %q %v, want the values of the environment",
			cfg.CWMP.Listen, cfg.MTP[0].Path, cfg.Translate.Freshness)
	}
	_, err = config.Parse("", nil, []string{"USPGATE_CWMP__LISTNE=x"})
	if err == nil || !strings.Contains(err.Error(), "USPGATE_CWMP__LISTNE: unknown key listne") {
		t.Errorf("got %v, want a problem that names the variable", err)
	}
}

func TestSecretsAreMasked(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Parse("f.yaml", []byte(
		"cwmp:\n  connection_request: {username: u, password_file: "+file+"}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := cfg.CWMP.ConnectionRequest.Password.Reveal(); got != "hunter2" {
		t.Errorf("got %q, want the text of the file", got)
	}
	if out := config.Print(cfg); strings.Contains(out, "hunter2") || !strings.Contains(out, "••••") {
		t.Errorf("the secret is not masked:\n%s", out)
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"30s": "30s", "5m": "5m", "90m": "1h30m", "24h": "24h", "0s": "0s", "0": "0s",
	} {
		var d config.Duration
		if err := d.UnmarshalText([]byte(in)); err != nil {
			t.Errorf("%s: %v", in, err)
		}
		if got := d.String(); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
	if err := new(config.Duration).UnmarshalText([]byte("-1s")); err == nil {
		t.Error("a negative duration was accepted")
	}
	if got := time.Duration(config.Default().Translate.Deadline); got != 30*time.Second {
		t.Errorf("got deadline %v, want 30s", got)
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"5MiB": "5MiB", "512 KiB": "512KiB", "1024": "1KiB", "1kB": "1000", "3B": "3", "0": "0",
	} {
		var s config.Size
		if err := s.UnmarshalText([]byte(in)); err != nil {
			t.Errorf("%s: %v", in, err)
		}
		if got := s.String(); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
	for _, bad := range []string{"", "MiB", "-1", "1XB", "9999999999999GiB"} {
		if err := new(config.Size).UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("cwmp: {listen: ':7547'}\nmtp:\n- name: a\n  type: mqtt\n"))
	f.Add([]byte("log: &x {level: info}\n"))
	f.Add([]byte("mtp: [[[]]]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		cfg, err := config.Parse("f.yaml", text, nil)
		if (cfg == nil) == (err == nil) {
			t.Errorf("got %v and %v, want exactly one", cfg, err)
		}
	})
}

// What an engine can not do together is said at the place.
func TestEngine(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ yaml, want string }{
		{"engine: {store: tape}", "engine.store"},
		{"engine: {fsync: never}", "engine.fsync"},
		{"engine: {fsync: interval, fsync_interval: 0s}", "engine.fsync_interval"},
		{"engine: {url: \"http://a\"}", "nats://host:4222"},
		{"engine: {url: \"nats://me:secret@a\"}", "is not masked"},
		{"engine: {url: \"nats://a\", store: memory}", "engine.store"},
		{"engine: {url: \"nats://a\", replicas: 2}", "engine.replicas"},
		{"engine: {url: \"nats://a\", encrypt_key_file: k}", "engine.encrypt_key_file"},
		{"engine: {username: me}", "set engine.url"},
		{"data_dir: \"\"", "engine.store: memory"},
		{"routing: {queue_overflow: forget}", "routing.queue_overflow"},
	} {
		_, err := config.Parse("test.yaml", []byte(tc.yaml), nil)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want a problem with %q", tc.yaml, err, tc.want)
		}
	}
	for _, yaml := range []string{
		"engine: {store: memory}\ndata_dir: \"\"",
		"engine: {url: \"nats://a:4222,nats://b:4222\", username: me, password: x, node: one}",
		"engine: {fsync: interval}",
	} {
		if _, err := config.Parse("test.yaml", []byte(yaml), nil); err != nil {
			t.Errorf("%s: %v", yaml, err)
		}
	}
}
