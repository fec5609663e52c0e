// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package harness starts whole gateways, simulated CPE and Controllers in the
// test's process, each on ports of its own, and ends them with the test.
package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/uspgate/uspgate/internal/app"
	"github.com/uspgate/uspgate/internal/cli"
	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mqtt"
	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/usp"
)

// Timeout is how long the waits of this package last before they fail a test.
const Timeout = 30 * time.Second

// Gateway is a running gateway.
type Gateway struct {
	t    *testing.T
	addr map[string]string
	data string
}

// Start runs a gateway. The YAML is added to a configuration in which every
// listener has a free port of the loopback interface: mtp "ws" and "mqtt",
// "cwmp" and "metrics".
func Start(t *testing.T, yaml string) *Gateway {
	t.Helper()
	return StartLogged(t, yaml, Log(t))
}

// StartLogged is Start with a logger of the test's own.
func StartLogged(t *testing.T, yaml string, log *zap.Logger) *Gateway {
	t.Helper()
	return start(t, yaml, log, "USPGATE_MTP__0__LISTEN=127.0.0.1:0", "USPGATE_MTP__1__LISTEN=127.0.0.1:0")
}

// StartAs is Start with bindings of the test's own: the YAML says where they
// listen.
func StartAs(t *testing.T, yaml string) *Gateway {
	t.Helper()
	return start(t, yaml, Log(t))
}

func start(t *testing.T, yaml string, log *zap.Logger, environ ...string) *Gateway {
	t.Helper()
	data := t.TempDir()
	cfg, err := config.Parse("test.yaml", []byte(yaml), append(environ,
		"USPGATE_CWMP__LISTEN=127.0.0.1:0", "USPGATE_METRICS__LISTEN=127.0.0.1:0",
		"USPGATE_ADMIN__LISTEN=127.0.0.1:0", "USPGATE_DATA_DIR="+data,
	))
	if err != nil {
		t.Fatal(err)
	}
	gw, err := app.New(t.Context(), app.Options{Config: cfg, Log: log, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if err := gw.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	Background(t, "gateway", gw.Run)
	return &Gateway{t: t, addr: gw.Addresses(), data: data}
}

// Log returns a logger that prints warnings when the test runs with -v.
func Log(t *testing.T) *zap.Logger {
	t.Helper()
	if !testing.Verbose() {
		return zap.NewNop()
	}
	return zaptest.NewLogger(t, zaptest.Level(zap.DebugLevel))
}

// Background runs f until the test ends.
func Background(t *testing.T, name string, f func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	})
}

// Addr is the address of a listener by name.
func (g *Gateway) Addr(name string) string { return g.addr[name] }

// Ask runs a verb of the command line that asks the administrator's API of the
// gateway, and returns what it prints.
func (g *Gateway) Ask(args ...string) string {
	g.t.Helper()
	code, out, errs := Command(g.t, append(args,
		"--admin", "http://"+g.addr["admin"], "--token-file", filepath.Join(g.data, "admin.token"))...)
	if code != 0 {
		g.t.Fatalf("%s: got exit code %d, want 0: %s", strings.Join(args, " "), code, errs)
	}
	return out
}

// ACS is the URL for CPE.
func (g *Gateway) ACS() string { return "http://" + g.addr["cwmp"] }

// WS is the URL of the WebSocket binding.
func (g *Gateway) WS() string { return "ws://" + g.addr["ws"] + "/usp" }

// MQTT is the URL of the MQTT binding.
func (g *Gateway) MQTT() string { return "mqtt://" + g.addr["mqtt"] }

// CPE is a simulated CPE with the Endpoint ID of its Virtual Agent.
type CPE struct {
	*cpe.CPE

	Agent usp.EndpointID
}

// CPE runs a simulated CPE of a built-in model, or of a file if the name has a
// dot, and waits until its first session is over.
func (g *Gateway) CPE(model string, change func(*cpe.Options)) CPE {
	g.t.Helper()
	m, err := loadModel(model)
	if err != nil {
		g.t.Fatal(err)
	}
	o := cpe.Options{ACS: g.ACS(), Model: m, RebootTime: 200 * time.Millisecond, Log: Log(g.t)}
	if !strings.Contains(model, ".") {
		o.Serial = "1"
	}
	if change != nil {
		change(&o)
	}
	c, err := cpe.New(o)
	if err != nil {
		g.t.Fatal(err)
	}
	Background(g.t, "cpe "+model, c.Run)
	select {
	case s := <-c.Sessions():
		if s.Err != nil {
			g.t.Fatalf("first session of %s: %v", model, s.Err)
		}
	case <-time.After(Timeout):
		g.t.Fatalf("%s had no session", model)
	}
	return CPE{c, agent.EndpointIDFor(c.Identity())}
}

func loadModel(name string) (*cpe.Model, error) {
	if strings.Contains(name, ".") {
		return cpe.LoadFile(name)
	}
	return cpe.LoadBuiltin(name)
}

// Controller runs a USP Controller over the transport of a --via URL.
func (g *Gateway) Controller(via string, id usp.EndpointID) *controller.Controller {
	g.t.Helper()
	var tr mtp.Transport
	var err error
	if strings.HasPrefix(via, "ws") {
		tr, err = ws.NewClient(ws.ClientOptions{URL: via, Endpoint: id, Role: usp.RoleAgent, Shared: true})
	} else {
		tr, err = mqtt.NewClient(mqtt.ClientOptions{URL: via, Endpoint: id, Role: usp.RoleController})
	}
	if err != nil {
		g.t.Fatal(err)
	}
	c, err := controller.New(controller.Options{Endpoint: id, Transport: tr, Log: Log(g.t)})
	if err != nil {
		g.t.Fatal(err)
	}
	Background(g.t, "controller "+string(id), c.Run)
	return c
}

// Command runs the command line and returns its exit code and output.
func Command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Timeout)
	defer cancel()
	var out, errs bytes.Buffer
	code = cli.Run(ctx, cli.Env{Version: "test", Stdout: &out, Stderr: &errs}, args)
	return code, out.String(), errs.String()
}

// Shared returns the path of a file of the data that is laid beside a
// development checkout, and skips the test where that is absent: USPGATE_SHARED
// names the folder, by default "shared" beside the module.
func Shared(t *testing.T, parts ...string) string {
	t.Helper()
	root := os.Getenv("USPGATE_SHARED")
	if root == "" {
		root = filepath.Join(ModuleRoot(t), "..", "shared")
	}
	name := filepath.Join(append([]string{root}, parts...)...)
	if _, err := os.Stat(name); err != nil {
		t.Skipf("captured data is not here: %v", err)
	}
	return name
}

// ModuleRoot is the folder of go.mod.
func ModuleRoot(t *testing.T) string {
	t.Helper()
	dir, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod above the test")
		}
		dir = parent
	}
}

// Eventually waits until f returns nil.
func Eventually(t *testing.T, f func() error) {
	t.Helper()
	deadline := time.After(Timeout)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal(fmt.Errorf("still not: %w", err))
		}
	}
}
