// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package kill_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp"
)

// hub is a Controller that Agents send to.
const hub usp.EndpointID = "self::hub"

// Bytes of payload; more than largestOnUDP would be sent in blocks.
const (
	largest      = 6000
	largestOnUDP = 800
)

// world is a gateway as a process with senders and receivers on all sides. The
// addresses of the listeners are north for Controllers and south for Agents.
type world struct {
	*harness.Process

	t    *testing.T
	l    *ledger
	r    *rand.Rand
	stop chan struct{} // closed: senders send nothing new
	calm chan struct{} // closed: receivers are there and fast

	full bool // see mqttSender

	mqttNorth, mqttSouth, coapNorth, coapSouth string
	called                                     string // where the CoAP Agent is that the gateway calls
}

// strangers, anywhere in the YAML, leaves out the routes that make every Endpoint
// known.
const strangers = "# no routes\n"

// newWorld prepares a gateway and its neighbours and starts neither. The seed is
// that of the environment variable KILL_SEED, or a new one. data is the
// data_dir; empty: one of the test's own.
func newWorld(t *testing.T, data, yaml string) *world {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("KILL_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("KILL_SEED=%d", seed)
	w := &world{
		t: t, l: newLedger(), r: rand.New(rand.NewPCG(seed, 0)),
		stop: make(chan struct{}), calm: make(chan struct{}),
		mqttNorth: harness.FreeAddr(t), mqttSouth: harness.FreeAddr(t),
		coapNorth: harness.FreeAddr(t), coapSouth: harness.FreeAddr(t), called: harness.FreeAddr(t),
	}
	if !strings.Contains(yaml, strangers) {
		yaml += `routes:
- {endpoint_id: "os::*", role: agent}
- {endpoint_id: "self::*", role: controller}
`
	}
	w.Process = harness.NewProcess(t, program.Path(t), data, fmt.Sprintf(`mtp:
- {name: mqtt-north, type: mqtt, listen: "%s", role: controller}
- {name: mqtt-south, type: mqtt, listen: "%s", role: agent}
- {name: coap-north, type: coap, listen: "%s", role: controller}
- {name: coap-south, type: coap, listen: "%s", role: agent}
- {name: coap-called, type: coap, connect: "coap://%s/usp", peer: "os::00D09E-called", role: agent}
`, w.mqttNorth, w.mqttSouth, w.coapNorth, w.coapSouth, w.called)+yaml)
	return w
}

// rand gives each neighbour a source of its own.
func (w *world) rand() *rand.Rand { return rand.New(rand.NewPCG(w.r.Uint64(), w.r.Uint64())) }

// background runs a neighbour until the test ends.
func (w *world) background(name usp.EndpointID, run func(context.Context) error) {
	harness.Background(w.t, string(name), run)
}

func (w *world) pairs(from usp.EndpointID, most int, to ...usp.EndpointID) []pair {
	out := make([]pair, len(to))
	for i, id := range to {
		out[i] = pair{from, id, most}
		if strings.Contains(string(from)+string(id), "coap") || strings.HasSuffix(string(id), "-called") {
			out[i].largest = min(most, largestOnUDP)
		}
		w.l.open(out[i])
	}
	return out
}

// controller runs a Controller on MQTT that sends to Agents.
func (w *world) controller(self usp.EndpointID, v5 bool, pace time.Duration, to ...usp.EndpointID) {
	s := &mqttSender{
		l: w.l, addr: w.mqttNorth, self: self, v5: v5, to: w.pairs(self, largest, to...), pace: pace, stop: w.stop,
		r: w.rand(), full: w.full,
	}
	w.background(self, s.run)
}

// agent runs an Agent on MQTT that takes Records.
func (w *world) agent(self usp.EndpointID, v5 bool, h habit) {
	h.calm = w.calm
	m := &mqttReceiver{
		habit: h, l: w.l, addr: w.mqttSouth, self: self, v5: v5, topic: "usp/v1/agent/" + string(self), r: w.rand(),
	}
	w.background(self, m.run)
}

// hub runs the Controller that takes what Agents send.
func (w *world) hub(h habit) {
	h.calm = w.calm
	m := &mqttReceiver{
		habit: h, l: w.l, addr: w.mqttNorth, self: hub, v5: true, topic: "usp/v1/controller/" + string(hub), r: w.rand(),
	}
	w.background(hub, m.run)
}

// coapEndpoint runs an Endpoint on CoAP that takes Records and sends some.
func (w *world) coapEndpoint(
	self usp.EndpointID, gateway, own string, pace time.Duration, h habit, to ...usp.EndpointID,
) {
	h.calm = w.calm
	if own == "" {
		own = harness.FreeAddr(w.t)
	}
	e := &coapEndpoint{
		habit: h, l: w.l, gateway: gateway, self: self, own: own,
		to: w.pairs(self, largestOnUDP, to...), pace: pace, stop: w.stop, r: w.rand(),
	}
	w.background(self, e.run)
}

// populate runs Agents and Controllers of every kind.
func (w *world) populate() {
	const (
		steady  usp.EndpointID = "os::00D09E-steady"
		flaps   usp.EndpointID = "os::00D09E-flaps"
		old     usp.EndpointID = "os::00D09E-old" // 3.1.1
		slow    usp.EndpointID = "os::00D09E-slow"
		asleep  usp.EndpointID = "os::00D09E-asleep"
		called  usp.EndpointID = "os::00D09E-called"
		coapOn  usp.EndpointID = "os::00D09E-coap%2Don"
		coapOff usp.EndpointID = "os::00D09E-coap%2Doff"
	)
	all := []usp.EndpointID{steady, flaps, old, slow, asleep, called, coapOn, coapOff}
	w.hub(habit{there: 2 * time.Second, away: 500 * time.Millisecond})
	w.agent(steady, true, habit{})
	w.agent(flaps, true, habit{there: 400 * time.Millisecond, away: 600 * time.Millisecond})
	w.agent(old, false, habit{there: time.Second, away: time.Second})
	w.agent(slow, true, habit{slow: 30 * time.Millisecond})
	w.agent(asleep, false, habit{asleep: true})
	w.coapEndpoint(coapOn, w.coapSouth, "", 50*time.Millisecond, habit{}, hub)
	w.coapEndpoint(coapOff, w.coapSouth, "", 50*time.Millisecond,
		habit{there: time.Second, away: 400 * time.Millisecond}, hub)
	w.coapEndpoint(called, w.coapSouth, w.called, time.Second, habit{slow: 5 * time.Millisecond})
	w.controller("self::five", true, 5*time.Millisecond, all...)
	w.controller("self::three", false, 5*time.Millisecond, all...)
	w.coapEndpoint("self::coap-1", w.coapNorth, "", 10*time.Millisecond, habit{}, all...)
	w.coapEndpoint("self::coap-2", w.coapNorth, "", 10*time.Millisecond, habit{}, steady, asleep, coapOn)
}

// killAfter kills the gateway after some time, whatever it is doing.
func (w *world) killAfter(d time.Duration) {
	<-time.After(d)
	w.Kill()
	w.l.killed()
}

// drain lets everything arrive, for at most limit.
func (w *world) drain(limit time.Duration) {
	close(w.stop)
	close(w.calm)
	deadline := time.Now().Add(limit)
	for {
		unacked, missing := w.l.owed()
		if unacked == 0 && missing == 0 {
			return
		}
		if time.Now().After(deadline) {
			queues, err := w.Ask("queues", "list")
			w.t.Errorf("after %v: %d are not acknowledged, %d were and have not come. What waits: %s (%v)",
				limit, unacked, missing, queues, err)
			return
		}
		<-time.After(50 * time.Millisecond)
	}
}

// verify checks the ledger.
func (w *world) verify(slack time.Duration) {
	w.t.Helper()
	sum, wrong := w.l.check(slack)
	w.t.Log(sum)
	if len(w.l.notes) > 0 {
		w.t.Log(strings.Join(w.l.notes, "\n"))
	}
	if len(wrong) > 0 {
		w.t.Errorf("%d times the promise is broken:\n%s", len(wrong), strings.Join(wrong[:min(20, len(wrong))], "\n"))
	}
}

// awaitLink waits until an Endpoint is there.
func (w *world) awaitLink(id usp.EndpointID) {
	w.t.Helper()
	harness.Eventually(w.t, func() error {
		out, err := w.Ask("endpoints", "list", "-o", "json")
		if err != nil {
			return err
		}
		var list []struct {
			EndpointID usp.EndpointID `json:"endpoint_id"`
			State      string         `json:"state"`
		}
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			return err
		}
		for _, e := range list {
			if e.EndpointID == id && e.State == "online" {
				return nil
			}
		}
		return fmt.Errorf("%s is not there: %s", id, out)
	})
}

// queue is what waits for one Endpoint.
type queue struct {
	EndpointID usp.EndpointID `json:"endpoint_id"`
	Records    int            `json:"records"`
}

// waiting are the queues of the gateway.
func (w *world) waiting() ([]queue, error) {
	out, err := w.Ask("queues", "list", "-o", "json")
	if err != nil {
		return nil, err
	}
	var list []queue
	return list, json.Unmarshal([]byte(out), &list)
}

func (w *world) nothingWaits() error {
	list, err := w.waiting()
	if err == nil && len(list) > 0 {
		err = fmt.Errorf("%+v", list)
	}
	return err
}
