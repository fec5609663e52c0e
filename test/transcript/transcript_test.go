// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package transcript_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/uspgate/uspgate/internal/sim/agent"
	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mqtt"
	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp"
)

// atOnce is how many conversations are held at a time: most of the time they wait.
const atOnce = "8"

func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", atOnce); err != nil { // which the command line may still change
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// update rewrites the answers in testdata: those of the native Agent, and those of a
// Virtual Agent where there is an exception.
var update = flag.Bool("update", false, "rewrite the answers in testdata")

// nativeModel is the CPE whose model the native Agent shows.
const nativeModel = "tr181-wifi"

// native is the Endpoint ID of the native Agent.
const native usp.EndpointID = "os::06C1D2-native"

// serial is that of every device: what they say of themselves is the same.
const serial = "1"

// commandTime is how long the commands of the native Agent take.
const commandTime = 50 * time.Millisecond

// nativeAgent runs a native Agent that is connected to the gateway like any other.
func nativeAgent(t *testing.T, gw *harness.Gateway, via string) *agent.Agent {
	t.Helper()
	f, err := cpe.OpenBuiltin(nativeModel)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	m, err := agent.LoadModel(f, serial)
	if err != nil {
		t.Fatal(err)
	}
	var tr mtp.Transport
	if via == "ws" {
		tr, err = ws.NewClient(ws.ClientOptions{URL: gw.WS(), Endpoint: native, Role: usp.RoleController, Shared: true})
	} else {
		tr, err = mqtt.NewClient(mqtt.ClientOptions{URL: gw.MQTT(), Endpoint: native, Role: usp.RoleAgent})
	}
	if err != nil {
		t.Fatal(err)
	}
	a, err := agent.New(agent.Options{
		Endpoint: native, Transport: tr, Controller: me, Model: m, CommandTime: commandTime,
		Protocols: []string{"WebSocket", "MQTT"}, Log: harness.Log(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	harness.Background(t, "native agent", a.Run)
	return a
}

// withNative holds a conversation with a native Agent behind a gateway of its own.
func withNative(t *testing.T, c *conversation, via string) []string {
	t.Helper()
	gw := harness.Start(t, "")
	s := newSpeaker(t, gw, via, native)
	a := nativeAgent(t, gw, via)
	if err := s.await(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.device = func(p, v string) error {
		if !a.SetValue(p, v) {
			return fmt.Errorf("the native Agent has no %s", p)
		}
		return nil
	}
	return s.hold(t.Context(), c)
}

// withVirtual holds it with the Virtual Agent of a CPE.
func withVirtual(t *testing.T, c *conversation, via, model string) []string {
	t.Helper()
	gw := harness.Start(t, "")
	box := gw.CPE(model, func(o *cpe.Options) { o.Serial = serial })
	s := newSpeaker(t, gw, via, box.Agent)
	s.device = func(p, v string) error { return box.SetValue(rawName(p, model), v) }
	return s.hold(t.Context(), c)
}

// rawName is what a CPE calls a parameter that somebody changes at it.
func rawName(p, model string) string {
	if strings.HasPrefix(model, "tr098") {
		return strings.NewReplacer(
			"Device.WiFi.SSID.", "InternetGatewayDevice.LANDevice.1.WLANConfiguration.",
			"Device.DeviceInfo.", "InternetGatewayDevice.DeviceInfo.").Replace(p)
	}
	return p
}

// TestTranscripts: a Controller cannot tell a Virtual Agent from a native one, but for
// what is in exceptions.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	used := newUsage()
	t.Run("conversations", func(t *testing.T) {
		for _, c := range conversations(t) {
			for _, via := range []string{"ws", "mqtt"} {
				t.Run(c.name+"/native/"+via, func(t *testing.T) {
					t.Parallel()
					checkNative(t, c, withNative(t, c, via))
				})
				for _, model := range c.models {
					t.Run(c.name+"/"+model+"/"+via, func(t *testing.T) {
						t.Parallel()
						checkVirtual(t, c, withVirtual(t, c, via, model), model, used)
					})
				}
			}
		}
	})
	if !t.Failed() {
		used.check(t)
	}
}

// checkNative compares what the native Agent has said with the file.
func checkNative(t *testing.T, c *conversation, got []string) {
	t.Helper()
	for i, s := range c.steps {
		if got[i] != s.native && !*update {
			t.Errorf("%s: the native Agent: %s", s.line, difference(got[i], s.native))
		}
	}
}

// checkVirtual compares what a Virtual Agent has said with what a native one says, or,
// where it may differ, with what the file says that it says.
func checkVirtual(t *testing.T, c *conversation, got []string, model string, used *usage) {
	t.Helper()
	for i, s := range c.steps {
		want := s.native
		if used.excepted(c.name, s.line, model) {
			want = s.virtual
			if got[i] == s.native {
				t.Errorf("%s: the exception is not needed", s.line)
			}
		}
		if got[i] != want && !*update {
			t.Errorf("%s: the Virtual Agent: %s", s.line, difference(got[i], want))
		}
	}
}

// difference shows both, from the first line that differs.
func difference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	at := 0
	for at < min(len(g), len(w)) && g[at] == w[at] {
		at++
	}
	from := max(0, at-2)
	return fmt.Sprintf("line %d\ngot:\n%s\nwant:\n%s", at+1,
		strings.Join(g[from:min(len(g), at+8)], "\n"), strings.Join(w[from:min(len(w), at+8)], "\n"))
}

// TestUpdate writes the files anew with -update.
func TestUpdate(t *testing.T) {
	if !*update {
		t.Skip("only with -update")
	}
	for _, c := range conversations(t) {
		answers := withNative(t, c, "ws")
		virtual := make(map[string][]string)
		for i, s := range c.steps {
			s.native, s.virtual = answers[i], ""
			for _, model := range c.models {
				if !excepted(c.name, s.line, model) {
					continue
				}
				if virtual[model] == nil {
					virtual[model] = withVirtual(t, c, "ws", model)
				}
				s.virtual = virtual[model][i]
			}
		}
		if err := os.WriteFile(filepath.Join("testdata", c.name+".txt"), []byte(c.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
