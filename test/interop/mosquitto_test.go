// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

//go:build interop

//nolint:misspell // the programs are called so
package interop_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mqtt"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

const (
	foreignAgent      = usp.EndpointID("os::00D09E-foreign")
	foreignController = usp.EndpointID("self::foreign")
)

func agentTopic(id usp.EndpointID) string      { return "usp/v1/agent/" + string(id) }
func controllerTopic(id usp.EndpointID) string { return "usp/v1/controller/" + string(id) }

// replyTo is the suffix of MQTT 3.1.1 [R-MQTT.24].
func replyTo(topic string) string { return "/reply-to=" + strings.ReplaceAll(topic, "/", "%2F") }

// tool is one of the clients of Mosquitto.
func tool(t *testing.T, addr, program, version string, args ...string) *exec.Cmd {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
	t.Cleanup(cancel)
	args = append([]string{"-h", host, "-p", port, "-V", version, "-q", "1"}, args...)
	return exec.CommandContext(ctx, program, args...)
}

// file writes a Record where a client can read it.
func file(t *testing.T, rec *usp.Record) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "record")
	if err := os.WriteFile(name, rec.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestMosquittoClients has mosquitto_pub send a Record as an Agent, and
// mosquitto_sub receive it as a Controller, in both versions of MQTT each.
func TestMosquittoClients(t *testing.T) {
	const mqtt5, mqtt311 = "mqttv5", "mqttv311"
	for _, from := range []string{mqtt5, mqtt311} {
		for _, to := range []string{mqtt5, mqtt311} {
			t.Run(from+" to "+to, func(t *testing.T) {
				gw := harness.Start(t, "")
				filter, suffix := controllerTopic(foreignController), ""
				if to == mqtt311 {
					filter, suffix = filter+"/#", replyTo(agentTopic(foreignAgent))
				}
				// The first one is the Connect Record of the Agent.
				sub := tool(t, gw.Addr("mqtt"), "mosquitto_sub", to, "-t", filter, "-i", string(foreignController),
					"-C", "2", "-F", "%q %t %x")
				var out bytes.Buffer
				sub.Stdout, sub.Stderr = &out, os.Stderr
				if err := sub.Start(); err != nil {
					t.Fatal(err)
				}
				rec := usp.NewNoSession(foreignAgent, foreignController, "1.4", []byte("not looked into"))
				topic, pub := controllerTopic(foreignController), []string{"-i", string(foreignAgent), "-f", file(t, &rec)}
				if from == mqtt311 {
					topic += replyTo(agentTopic(foreignAgent))
				} else {
					pub = append(pub, "-D", "connect", "user-property", "usp-endpoint-id", string(foreignAgent),
						"-D", "publish", "content-type", "usp.msg", "-D", "publish", "response-topic", agentTopic(foreignAgent))
				}
				over := make(chan error, 1)
				go func() { over <- sub.Wait() }()
				for done := false; !done; { // it does not say when it has subscribed
					said, err := tool(t, gw.Addr("mqtt"), "mosquitto_pub", from, append(pub, "-t", topic)...).CombinedOutput()
					if err != nil {
						t.Fatalf("mosquitto_pub: %v: %s", err, said)
					}
					select {
					case err := <-over:
						if err != nil {
							t.Fatalf("mosquitto_sub: %v", err)
						}
						done = true
					case <-time.After(200 * time.Millisecond):
					}
				}
				lines := strings.Split(strings.TrimSpace(out.String()), "\n")
				want := fmt.Sprintf("1 %s %s", controllerTopic(foreignController)+suffix, hex.EncodeToString(rec.Bytes()))
				if got := lines[len(lines)-1]; got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			})
		}
	}
}

// TestMosquittoRequest has mosquitto_rr ask a Virtual Agent and wait for the
// answer at the Response Topic [R-MQTT.26].
func TestMosquittoRequest(t *testing.T) {
	gw := harness.Start(t, "mtp:\n- {name: ws, type: websocket}\n- {name: mqtt, type: mqtt, connect_records: false}\n")
	c := gw.CPE("tr181-wifi", nil)
	payload, err := proto.Marshal(&uspmsg.Msg{
		Header: &uspmsg.Header{MsgId: "rr", MsgType: uspmsg.Header_GET},
		Body: &uspmsg.Body{MsgBody: &uspmsg.Body_Request{Request: &uspmsg.Request{ReqType: &uspmsg.Request_Get{
			Get: &uspmsg.Get{ParamPaths: []string{"Device.DeviceInfo.SerialNumber"}},
		}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	rec := usp.NewNoSession(foreignController, c.Agent, "1.4", payload)
	if bytes.IndexByte(rec.Bytes(), 0) >= 0 { // its options for files send nothing
		t.Fatal("the Record does not pass as an argument of a command")
	}
	const answers = "my/own/answers"
	for version, args := range map[string][]string{
		"mqttv5":   {"-t", agentTopic(c.Agent), "-D", "publish", "content-type", "usp.msg"},
		"mqttv311": {"-t", agentTopic(c.Agent) + replyTo(answers)},
	} {
		t.Run(version, func(t *testing.T) {
			cmd := tool(t, gw.Addr("mqtt"), "mosquitto_rr", version, append(args, "-i", string(foreignController),
				"-e", answers, "-m", string(rec.Bytes()), "-F", "%x", "-W", "20")...)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("mosquitto_rr: %v: %s", err, out)
			}
			raw, err := hex.DecodeString(strings.TrimSpace(string(out)))
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			answer, err := usp.NewRecord(raw)
			if err != nil {
				t.Fatal(err)
			}
			var m uspmsg.Msg
			if err := proto.Unmarshal(answer.Header().Payload, &m); err != nil {
				t.Fatal(err)
			}
			got := m.GetBody().GetResponse().GetGetResp().GetReqPathResults()
			if len(got) != 1 || len(got[0].GetResolvedPathResults()) != 1 {
				t.Fatalf("got %v, want one path", &m)
			}
			if v := got[0].GetResolvedPathResults()[0].GetResultParams()["SerialNumber"]; v != c.Identity().SerialNumber {
				t.Errorf("SerialNumber: got %q, want %q", v, c.Identity().SerialNumber)
			}
		})
	}
}

// TestMosquittoBroker has the client role meet a counterpart on the broker of
// that name, in both versions each, and outlive a restart of it.
func TestMosquittoBroker(t *testing.T) {
	for _, south := range []mqtt.Version{mqtt.Version5, mqtt.Version311} {
		for _, north := range []mqtt.Version{mqtt.Version5, mqtt.Version311} {
			t.Run(fmt.Sprintf("%d and %d", south, north), func(t *testing.T) {
				addr := freeAddr(t)
				stop := startBroker(t, addr)
				agent := client(t, addr, foreignAgent, usp.RoleAgent, south)
				controller := client(t, addr, foreignController, usp.RoleController, north)
				// What MQTT 5 says of the reply topic 3.1.1 does not carry [R-MQTT.26a].
				up, down := south <= north, north <= south
				exchange(t, agent.Link(), controller.Link(), up, down)
				stop()
				startBroker(t, addr)
				exchange(t, agent.Link(), controller.Link(), up, down)
			})
		}
	}
}

// exchange sends a Record each way. up and down say whether the receiver hears
// where the answer is wanted.
func exchange(t *testing.T, agent, controller *mtptest.Port, up, down bool) {
	t.Helper()
	reply := map[bool]string{true: agentTopic(foreignAgent)}[up]
	relay(t, agent, controller, usp.NewNoSession(foreignAgent, foreignController, "1.4", []byte("up")), reply)
	reply = map[bool]string{true: controllerTopic(foreignController)}[down]
	relay(t, controller, agent, usp.NewNoSession(foreignController, foreignAgent, "1.4", []byte("down")), reply)
}

// relay sends rec until it arrives: the sender does not know when the receiver
// has subscribed.
func relay(t *testing.T, from, to *mtptest.Port, rec usp.Record, reply string) {
	t.Helper()
	arrived := make(chan mtptest.Received, 1)
	go func() { arrived <- to.Next() }()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		from.Send(rec.Bytes(), mtp.Hint{})
		from.Settlement()
		select {
		case got := <-arrived:
			if !bytes.Equal(got.Record.Bytes(), rec.Bytes()) || got.Hint.ReplyTo != reply {
				t.Fatalf("got %x with reply topic %q, want %x with %q", got.Record.Bytes(), got.Hint.ReplyTo, rec.Bytes(), reply)
			}
			return
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("nothing has arrived")
		}
	}
}

// TestMosquittoShared has a shared client represent an Agent on Mosquitto, with
// the exact topics and below a prefix of its own, in both versions: a
// Controller there and the Agent exchange Records, what others exchange does
// not come, and after a restart of the broker all is as before.
func TestMosquittoShared(t *testing.T) {
	for _, version := range []mqtt.Version{mqtt.Version5, mqtt.Version311} {
		for _, prefix := range []string{"", "uspgate/gw1"} {
			t.Run(fmt.Sprintf("%d %s", version, prefix), func(t *testing.T) {
				addr := freeAddr(t)
				stop := startBroker(t, addr)
				c, err := mqtt.NewClient(mqtt.ClientOptions{
					URL: "mqtt://" + addr, Version: version, Shared: true, Prefix: prefix, ClientID: "gateway",
					Presence: "usp/v1/presence/{endpoint_id}",
					Retry:    mtp.BackoffOptions{Interval: 50 * time.Millisecond}, Log: harness.Log(t),
				})
				if err != nil {
					t.Fatal(err)
				}
				c.Represent(usp.Address{ID: foreignAgent, Role: usp.RoleAgent})
				own := agentTopic(foreignAgent)
				if prefix != "" {
					own = prefix + "/agent/" + string(foreignAgent)
				}
				gateway := mtptest.NewRecorder(t)
				mtptest.Start(t, c, gateway)
				const otherAgent = usp.EndpointID("os::00D09E-other")
				others := client(t, addr, otherAgent, usp.RoleAgent, version)
				controllers := client(t, addr, foreignController, usp.RoleController, version)
				between := usp.NewNoSession(otherAgent, foreignController, "1.4", []byte("between others"))
				for range 2 {
					south, north := gateway.Link(), controllers.Link()
					south.RefuseRecords(func(rec usp.Record) error {
						if rec.Header().From == otherAgent {
							t.Errorf("got a Record from %s, want none", otherAgent)
						}
						return nil
					})
					relay(t, south, north, usp.NewNoSession(foreignAgent, foreignController, "1.4", []byte("up")), own)
					relay(t, others.Link(), north, between, agentTopic(otherAgent))
					down := usp.NewNoSession(foreignController, foreignAgent, "1.4", []byte("down"))
					relay(t, north, south, down, controllerTopic(foreignController)) // to where the Agent has said
					stop()
					stop = startBroker(t, addr)
				}
			})
		}
	}
}

func client(t *testing.T, addr string, id usp.EndpointID, role usp.Role, version mqtt.Version) *mtptest.Recorder {
	t.Helper()
	own := agentTopic(id)
	if role == usp.RoleController {
		own = controllerTopic(id)
	}
	c, err := mqtt.NewClient(mqtt.ClientOptions{
		URL: "mqtt://" + addr, Version: version, Endpoint: id, Role: role,
		Subscriptions: []string{own + "/#"}, // a 3.1.1 counterpart publishes below it
		Retry:         mtp.BackoffOptions{Interval: 50 * time.Millisecond}, Log: harness.Log(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	r := mtptest.NewRecorder(t)
	mtptest.Start(t, c, r)
	return r
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// startBroker runs Mosquitto and returns what stops it.
func startBroker(t *testing.T, addr string) (stop func()) {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(t.TempDir(), "mosquitto.conf")
	err = os.WriteFile(conf, fmt.Appendf(nil, "listener %s %s\nallow_anonymous true\n", port, host), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, "mosquitto", "-c", conf)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = func() {
		cancel()
		_ = cmd.Wait() // it was killed
	}
	t.Cleanup(stop)
	harness.Eventually(t, func() error {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
		if err == nil {
			err = c.Close()
		}
		return err
	})
	return stop
}
