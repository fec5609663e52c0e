// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package conformance_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/coap"
	"github.com/uspgate/uspgate/mtp/mqtt"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/stomp"
	"github.com/uspgate/uspgate/mtp/uds"
	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp"
)

// leg is one way in which an Endpoint and the gateway are connected.
type leg struct {
	kind mtp.Kind
	// client: the gateway connects, to the Endpoint or to a broker of somebody
	// else; otherwise it listens.
	client bool
	// connect is the Connect Record of the MTP, RecordNone if it has none.
	connect usp.RecordType
	// set prepares the Endpoint's side before there is a gateway, and returns
	// the gateway's binding for it in YAML.
	set func(e *end) string
	// open connects the Endpoint once the gateway is there, or again.
	open func(e *end)
	// cut breaks the connection between gateway and Endpoint; open follows.
	cut func(e *end)
}

// String is the name of the leg from the gateway's point of view.
func (l *leg) String() string {
	role := "server"
	if l.client {
		role = "client"
	}
	return string(l.kind) + " " + role
}

// atOnce is how an Endpoint connects again.
//
//nolint:gochecknoglobals // a constant
var atOnce = mtp.BackoffOptions{Interval: 10 * time.Millisecond, Multiplier: 1000}

// end is one Endpoint with its leg to the gateway.
type end struct {
	t    *testing.T
	leg  *leg
	id   usp.EndpointID
	role usp.Role // its own
	name string   // of the gateway's binding
	peer usp.EndpointID

	gateway *harness.Gateway
	broker  *harness.Broker
	addr    string // of the Endpoint, or of the gateway's socket
	links   *mtptest.Recorder
	running *mtptest.Running
	out, in *mtptest.Port
}

// legs are five MTPs in both roles.
//
//nolint:gochecknoglobals // a constant table
var legs = []*leg{
	{
		kind: mtp.WebSocket, connect: usp.RecordWebSocketConnect,
		set: func(e *end) string { return e.listens("websocket", `127.0.0.1:0`) },
		open: func(e *end) {
			e.run(ws.NewClient(ws.ClientOptions{
				URL: "ws://" + e.gateway.Addr(e.name) + "/usp", Endpoint: e.id, Role: e.role.Opposite(),
			}))
		},
		cut: (*end).stop,
	},
	{
		kind: mtp.WebSocket, client: true, connect: usp.RecordWebSocketConnect,
		set: func(e *end) string {
			e.addr = "127.0.0.1:0"
			e.leg.open(e)
			e.addr = e.running.Transport.Addr()
			return e.connects("websocket", "ws://"+e.addr+"/usp") + "    peer: \"" + string(e.id) + "\"\n"
		},
		open: func(e *end) {
			if e.running == nil {
				e.run(ws.NewServer(ws.ServerOptions{Listen: e.addr, Role: e.role.Opposite(), Endpoint: e.id}))
			}
			e.await()
		},
		cut: (*end).stop,
	},
	{
		kind: mtp.MQTT, connect: usp.RecordMQTTConnect,
		set: func(e *end) string { return e.listens("mqtt", "127.0.0.1:0") },
		open: func(e *end) {
			e.run(mqtt.NewClient(mqtt.ClientOptions{
				URL: "mqtt://" + e.gateway.Addr(e.name), Endpoint: e.id, Role: e.role,
			}))
		},
		cut: (*end).stop,
	},
	{
		kind: mtp.MQTT, client: true, connect: usp.RecordMQTTConnect,
		set: func(e *end) string {
			e.broker = harness.MQTTBroker(e.t)
			return e.connects("mqtt", "mqtt://"+e.broker.Addr) + e.speaks()
		},
		open: func(e *end) {
			if e.running == nil {
				e.run(mqtt.NewClient(mqtt.ClientOptions{
					URL: "mqtt://" + e.broker.Addr, Endpoint: e.id, Role: e.role, Retry: atOnce,
				}))
			}
			e.await()
			e.onBroker(mqtt.DefaultTopics())
		},
		cut: (*end).cutBroker,
	},
	{
		kind: mtp.STOMP, connect: usp.RecordSTOMPConnect,
		set: func(e *end) string { return e.listens("stomp", "127.0.0.1:0") },
		open: func(e *end) {
			e.run(stomp.NewClient(stomp.ClientOptions{
				URL: "stomp://" + e.gateway.Addr(e.name), Endpoint: e.id, Role: e.role,
			}))
		},
		cut: (*end).stop,
	},
	{
		kind: mtp.STOMP, client: true, connect: usp.RecordSTOMPConnect,
		set: func(e *end) string {
			e.broker = harness.STOMPBroker(e.t)
			return e.connects("stomp", "stomp://"+e.broker.Addr) + e.speaks() + "    receipts: false\n"
		},
		open: func(e *end) {
			if e.running == nil {
				e.run(stomp.NewClient(stomp.ClientOptions{
					URL: "stomp://" + e.broker.Addr, Endpoint: e.id, Role: e.role, Retry: atOnce,
					NoReceipts: true, // the broker gives none for a SUBSCRIBE
				}))
			}
			e.await()
		},
		cut: (*end).cutBroker,
	},
	{
		kind: mtp.CoAP,
		set:  func(e *end) string { return e.listens("coap", "127.0.0.1:0") },
		open: func(e *end) {
			e.run(coap.NewClient(coap.ClientOptions{
				URL: "coap://" + e.gateway.Addr(e.name) + "/usp", Endpoint: e.id, Role: e.role.Opposite(),
				LinkOptions: coap.LinkOptions{Path: "usp"},
			}))
		},
		cut: (*end).stop,
	},
	{
		kind: mtp.CoAP, client: true,
		set: func(e *end) string {
			e.addr = freeUDP(e.t)
			e.run(coap.NewServer(coap.ServerOptions{Listen: "127.0.0.1:0", Role: e.role.Opposite(), Shared: true}))
			return e.connects("coap", "coap://"+e.running.Transport.Addr()+"/usp") +
				"    listen: \"" + e.addr + "\"\n    peer: \"" + string(e.id) + "\"\n"
		},
		open: func(*end) {},
		cut:  func(*end) {},
	},
	{
		kind: mtp.UDS, connect: usp.RecordUDSConnect,
		set: func(e *end) string {
			return e.listens("uds", e.socket()) + "    presents: \"" + string(e.peer) + "\"\n"
		},
		open: func(e *end) {
			e.run(uds.NewClient(uds.ClientOptions{
				URL: e.gateway.Addr(e.name), LinkOptions: uds.LinkOptions{Presents: e.id, Role: e.role.Opposite()},
			}))
		},
		cut: (*end).stop,
	},
	{
		kind: mtp.UDS, client: true, connect: usp.RecordUDSConnect,
		set: func(e *end) string {
			e.addr = e.socket()
			e.leg.open(e)
			return e.connects("uds", "unix:"+e.addr) + "    presents: \"" + string(e.peer) + "\"\n"
		},
		open: func(e *end) {
			if e.running == nil {
				e.run(uds.NewServer(uds.ServerOptions{
					Listen: e.addr, LinkOptions: uds.LinkOptions{Presents: e.id, Role: e.role.Opposite()},
				}))
			}
			e.await()
		},
		cut: (*end).stop,
	},
}

// listens is the binding of a gateway that listens.
func (e *end) listens(typ, addr string) string {
	return fmt.Sprintf("  - name: %s\n    type: %s\n    listen: %q\n    role: %s\n", e.name, typ, addr, e.role)
}

// connects is the binding of a gateway that connects.
//
// On a broker it comes back after the Endpoint: what it publishes before is lost.
func (e *end) connects(typ, url string) string {
	retry := "20ms"
	if e.broker != nil {
		retry = "2s, multiplier: 1000"
	}
	b := fmt.Sprintf("  - name: %s\n    type: %s\n    connect: %q\n    role: %s\n    retry: {interval: %s}\n",
		e.name, typ, url, e.role, retry)
	if typ != "coap" && typ != "uds" {
		b += "    endpoint_id: self::gateway\n"
	}
	return b
}

// speaks says who is on the broker.
func (e *end) speaks() string { return "    speaks_for: [\"" + string(e.id) + "\"]\n" }

// socket is a path that is short enough, which those of TempDir need not be.
func (e *end) socket() string {
	e.t.Helper()
	dir, err := os.MkdirTemp("", "usp")
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, e.name)
}

// run starts the Endpoint's Transport. A server's Link comes later.
func (e *end) run(tr mtp.Transport, err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
	e.links = mtptest.NewRecorder(e.t)
	e.running = mtptest.Start(e.t, tr, e.links)
	e.in, e.out = nil, nil
	if !e.leg.client || e.broker != nil || e.leg.kind == mtp.CoAP {
		e.await()
	}
}

// await waits for the Link.
func (e *end) await() {
	if e.gateway == nil && e.leg.client && e.broker == nil && e.leg.kind != mtp.CoAP {
		return // there is nobody yet to connect
	}
	if e.out == nil {
		e.out = e.links.Link()
		if e.leg.kind != mtp.CoAP || !e.leg.client {
			e.in = e.out
		}
	}
}

func (e *end) stop() {
	e.running.Stop(e.t)
	e.running, e.in, e.out = nil, nil, nil
}

// cutBroker ends the broker, with everything that it has, and starts it again.
// The Endpoint comes back by itself.
func (e *end) cutBroker() {
	e.in, e.out = nil, nil
	e.broker.Stop()
	e.broker.Start()
}

// onBroker waits until the Endpoint listens, and the gateway in the name of the
// counterpart, on a broker that drops what nobody listens to.
func (e *end) onBroker(topics mqtt.Topics) {
	own, other := topics.Controller, topics.Agent
	if e.role == usp.RoleAgent {
		own, other = other, own
	}
	e.broker.Await(strings.ReplaceAll(own, "{endpoint_id}", string(e.id)))
	e.broker.Await(strings.ReplaceAll(other, "{endpoint_id}", string(e.peer)))
}

// hint is what the Endpoint needs to send to the gateway.
func (e *end) hint() mtp.Hint {
	if e.leg.kind == mtp.CoAP && e.leg.client {
		return mtp.Hint{Destination: "coap://" + e.addr + "/usp"}
	}
	return mtp.Hint{}
}

func (e *end) send(rec []byte) { e.out.Send(rec, e.hint()) }

// next waits for a Record.
func (e *end) next() usp.Record {
	e.t.Helper()
	if e.in == nil {
		e.in = e.links.Link()
	}
	return e.in.Next().Record
}

// say sends what the Endpoint says when it is new: an Agent its Connect Record.
func (e *end) say() {
	if c, ok := e.out.Link.(mtp.Connector); ok && e.role == usp.RoleAgent {
		rec := c.ConnectRecord(e.id, e.peer)
		e.send(rec.Bytes())
	}
}

// freeUDP is a port of loopback that was free a moment ago.
func freeUDP(t *testing.T) string {
	t.Helper()
	conn, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().String()
}
