// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/usp"
)

// freePort is an address of the loopback interface that nobody has.
func freePort(t *testing.T) string {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// program builds the gateway.
func program(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "uspgate")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", name, "./cmd/uspgate")
	cmd.Dir = harness.ModuleRoot(t)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return name
}

// serveProgram runs the gateway as a process until kill is called, and waits until
// it is ready.
func serveProgram(t *testing.T, name string, environ []string, ready string) (kill func()) {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), name, "serve")
	cmd.Dir, cmd.Env = t.TempDir(), append(os.Environ(), environ...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	dead := false
	kill = func() {
		if !dead {
			dead = true
			_ = cmd.Process.Kill()
			_ = cmd.Wait() // it was killed
		}
	}
	t.Cleanup(kill)
	harness.Eventually(t, func() error {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, ready, http.NoBody)
		if err != nil {
			return err
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return io.ErrUnexpectedEOF
		}
		return nil
	})
	return kill
}

// A gateway that is killed is followed by one that knows its devices: a Get is
// answered at once although the CPE is off, and Persistent Subscriptions are there
// and the others gone.
func TestKilledGatewayKnowsItsDevices(t *testing.T) {
	t.Parallel()
	name, wsAddr, cwmpAddr, metrics := program(t), freePort(t), freePort(t), freePort(t)
	environ := []string{
		"USPGATE_MTP__0__TYPE=websocket", "USPGATE_MTP__0__NAME=ws", "USPGATE_MTP__0__LISTEN=" + wsAddr,
		"USPGATE_MTP__1__LISTEN=127.0.0.1:0", "USPGATE_CWMP__LISTEN=" + cwmpAddr, "USPGATE_METRICS__LISTEN=" + metrics,
		"USPGATE_ADMIN__LISTEN=127.0.0.1:0", "USPGATE_DATA_DIR=" + t.TempDir(), "USPGATE_TRANSLATE__FRESHNESS=1h",
	}
	ready := "http://" + metrics + "/readyz"
	kill := serveProgram(t, name, environ, ready)

	m, err := cpe.LoadBuiltin("tr098-dsl")
	if err != nil {
		t.Fatal(err)
	}
	box, err := cpe.New(cpe.Options{ACS: "http://" + cwmpAddr, Model: m, Serial: "1", Log: harness.Log(t)})
	if err != nil {
		t.Fatal(err)
	}
	harness.Background(t, "cpe", box.Run)
	if s := <-box.Sessions(); s.Err != nil {
		t.Fatalf("first session: %v", s.Err)
	}
	id := agent.EndpointIDFor(box.Identity())
	north := northOf(t, wsAddr)
	const ssid = "Device.WiFi.SSID.1.SSID"
	want := getOne(t, north, id, ssid)
	for _, s := range []struct{ id, persistent string }{{"kept", "true"}, {"lost", "false"}} {
		add := controller.Create("Device.LocalAgent.Subscription.", map[string]string{
			"ID": s.id, "Persistent": s.persistent, "Enable": "true", "NotifType": "ValueChange", "ReferenceList": ssid,
		})
		if _, err := north.Add(deadline(t), id, false, add); err != nil {
			t.Fatal(err)
		}
	}
	kill()
	box.Off()
	serveProgram(t, name, environ, ready)

	north = northOf(t, wsAddr)
	if got := getOne(t, north, id, ssid); got != want || want == "" {
		t.Errorf("got %q after the restart, want %q as before", got, want)
	}
	resp, err := north.Get(deadline(t), id, 0, "Device.LocalAgent.Subscription.*.ID")
	if err != nil {
		t.Fatal(err)
	}
	ids := controller.Params(resp)
	if len(ids) != 1 || ids["Device.LocalAgent.Subscription.1.ID"] != "kept" {
		t.Errorf("got Subscriptions %v after the restart, want the Persistent one alone", ids)
	}
}

func northOf(t *testing.T, addr string) *controller.Controller {
	t.Helper()
	tr, err := ws.NewClient(ws.ClientOptions{
		URL: "ws://" + addr + "/usp", Endpoint: "self::north", Role: usp.RoleAgent, Shared: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := controller.New(controller.Options{Endpoint: "self::north", Transport: tr, Log: harness.Log(t)})
	if err != nil {
		t.Fatal(err)
	}
	harness.Background(t, "controller", c.Run)
	return c
}

func getOne(t *testing.T, c *controller.Controller, id usp.EndpointID, param string) string {
	t.Helper()
	var value string
	harness.Eventually(t, func() error {
		resp, err := c.Get(deadline(t), id, 0, param)
		if err == nil {
			value = controller.Params(resp)[param]
		}
		return err
	})
	return value
}
