// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/internal/app"
	"github.com/uspgate/uspgate/internal/cluster"
	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/internal/engine/enginetest"
	"github.com/uspgate/uspgate/internal/sim/agent"
	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/mtp/mqtt"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// engineOf is the configuration of a node on a cluster of NATS servers.
func engineOf(c *enginetest.Cluster, node string) string {
	return fmt.Sprintf("engine: {url: %q, node: %q, replicas: 3}\n", c.URL(), node)
}

// manufacturer asks an Agent for its manufacturer.
func manufacturer(t *testing.T, c *controller.Controller, id usp.EndpointID) {
	t.Helper()
	var resp *uspmsg.GetResp
	harness.Eventually(t, func() (err error) {
		ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout/6)
		defer cancel()
		resp, err = c.Get(ctx, id, 0, "Device.DeviceInfo.")
		return err
	})
	if got := controller.Params(resp)["Device.DeviceInfo.Manufacturer"]; got == "" {
		t.Errorf("Get of %s: got no Manufacturer", id)
	}
}

// TestTwoGatewaysAreOne: an Endpoint at one is reached from the other, also after
// it has moved; a CPE may come to any.
func TestTwoGatewaysAreOne(t *testing.T) {
	t.Parallel()
	nats := enginetest.New(t, 3)
	const who = "controllers: [{endpoint_id: \"self::north\"}]\n"
	a, b := harness.Start(t, engineOf(nats, "a")+who), harness.Start(t, engineOf(nats, "b")+who)
	const id = usp.EndpointID("os::00D09E-native")
	north := b.Controller(b.WS(), "self::north")
	native := nativeAgent(t, a, "mqtt", id)
	ctx := deadline(t)
	if err := north.Await(ctx, id); err != nil { // its Connect Record came through
		t.Fatal(err)
	}
	manufacturer(t, north, id)
	notified(ctx, t, north, native, id)
	moved := nativeAgent(t, b, "mqtt", id)
	harness.Eventually(t, func() error {
		if !moved.SetValue("Device.DeviceInfo.SoftwareVersion", "moved") {
			return errors.New("no such parameter")
		}
		resp, err := north.Get(ctx, id, 0, "Device.DeviceInfo.SoftwareVersion")
		if err != nil {
			return err
		}
		if got := controller.Params(resp)["Device.DeviceInfo.SoftwareVersion"]; got != "moved" {
			return fmt.Errorf("got %q, want what the Agent at b says", got)
		}
		return nil
	})
}

// TestCPEAtAnyNode: a CPE opens its sessions at a, then at b; its Virtual Agent is
// one, and answers Controllers at both.
func TestCPEAtAnyNode(t *testing.T) {
	t.Parallel()
	nats := enginetest.New(t, 3)
	a, b := harness.Start(t, engineOf(nats, "a")), harness.Start(t, engineOf(nats, "b"))
	box := a.CPE("tr098-dsl", nil)
	north, south := b.Controller(b.WS(), "self::north"), a.Controller(a.MQTT(), "self::south")
	manufacturer(t, north, box.Agent)
	manufacturer(t, south, box.Agent)
	harness.Eventually(t, func() error { // b knows by then whose the device is
		if out := b.Ask("endpoints", "list"); !strings.Contains(out, string(box.Agent)) {
			return fmt.Errorf("b does not know %s: %s", box.Agent, out)
		}
		return nil
	})
	b.CPE("tr098-dsl", func(o *cpe.Options) { o.Serial = "1" }) // the same box, at the other node
	manufacturer(t, north, box.Agent)
	manufacturer(t, south, box.Agent)
	for _, c := range []struct {
		gw   *harness.Gateway
		want string
	}{{a, "uspgate_devices 1"}, {b, "uspgate_devices 0"}} {
		if text := metrics(t, c.gw); !strings.Contains(text, c.want+"\n") {
			t.Errorf("got no %q: the device is served at another node", c.want)
		}
	}
}

// metrics is what a gateway says on /metrics.
func metrics(t *testing.T, gw *harness.Gateway) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+gw.Addr("metrics")+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestBrokerOfOthers: of two gateways that are to be clients of a broker one is.
// Through it an Agent there answers Controllers at both.
func TestBrokerOfOthers(t *testing.T) {
	t.Parallel()
	nats, broker := enginetest.New(t, 3), harness.MQTTBroker(t)
	const id = usp.EndpointID("os::00D09E-field")
	yaml := fmt.Sprintf(`
mtp:
  - {name: ws, type: websocket, listen: "127.0.0.1:0"}
  - {name: field, type: mqtt, connect: "mqtt://%s", role: agent, endpoint_id: self::gateway}
routes: [{endpoint_id: %q, role: agent, via: field}]
`, broker.Addr, id)
	a := harness.StartAs(t, yaml+engineOf(nats, "a"))
	b := harness.StartAs(t, yaml+engineOf(nats, "b"))
	tr, err := mqtt.NewClient(mqtt.ClientOptions{URL: "mqtt://" + broker.Addr, Endpoint: id, Role: usp.RoleAgent})
	if err != nil {
		t.Fatal(err)
	}
	field, err := agent.New(agent.Options{Endpoint: id, Transport: tr, Controller: "self::north"})
	if err != nil {
		t.Fatal(err)
	}
	harness.Background(t, "agent in the field", field.Run)
	north, south := a.Controller(a.WS(), "self::north"), b.Controller(b.WS(), "self::south")
	manufacturer(t, north, id)
	manufacturer(t, south, id)
}

// TestSecondOfOneName: a process with the name of one that runs says so and ends.
func TestSecondOfOneName(t *testing.T) {
	t.Parallel()
	nats := enginetest.New(t, 3)
	harness.Start(t, engineOf(nats, "a"))
	cfg, err := config.Parse("test.yaml", []byte(engineOf(nats, "a")), []string{"USPGATE_DATA_DIR=" + t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	gw, err := app.New(t.Context(), app.Options{Config: cfg, Version: "test"})
	if err == nil {
		_ = gw.Close() // the test has failed
	}
	if !errors.Is(err, cluster.ErrNameTaken) || !strings.Contains(err.Error(), "engine.node") {
		t.Errorf("got %v, want that the name is taken, and what to do", err)
	}
}
