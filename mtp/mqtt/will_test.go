// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/uspgate/uspgate/mtp/mqtt"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/usp"
)

// connectWill is a CONNECT with a will.
func connectWill(version byte, clientID, topic string, payload []byte, expiry, delay byte, retain bool) []byte {
	flags, none, willProps := byte(0x02|0x04|0x08), []byte(nil), []byte(nil)
	if retain {
		flags |= 0x20
	}
	if version == v5 {
		none = props([]byte{0x11, 0, 0, 0, expiry})
		willProps = props([]byte{0x18, 0, 0, 0, delay})
	}
	return packet(0x10, str("MQTT"), []byte{version, flags, 0, 60}, none, str(clientID),
		willProps, str(topic), str(string(payload)))
}

// TestWillRecord: a Record in a will comes from its Link before that goes down,
// if the client goes without a good-bye or wants it so [MQTT-3.1.2-8,
// MQTT-3.14.4-3].
func TestWillRecord(t *testing.T) {
	t.Parallel()
	rec := record(agent, controller, 1)
	for _, isPlain := range []bool{false, true} {
		for _, version := range []byte{v5, v311} {
			for name, bye := range map[string][]byte{"lost": nil, "with will": {0xe0, 1, 4}, "without": {0xe0, 0}} {
				if version == v311 && name == "with will" {
					continue
				}
				hub := mtptest.NewRecorder(t)
				addr := serve(t, mqtt.ServerOptions{Plain: isPlain}, hub)
				p := dial(t, addr, version)
				p.write(connectWill(version, string(agent), controllerTopic(controller), rec, 0, 0, true),
					subscribe(version, 1, agentTopic(agent)))
				p.wantConnack(0)
				p.want(packets.Suback)
				link := hub.Link()
				if name == "without" {
					link.RefuseRecords(func(usp.Record) error {
						t.Error("got a Record, want none after a good-bye")
						return nil
					})
				}
				p.write(bye)
				_ = p.Close()
				cause := link.WaitDown()
				if name == "without" {
					if cause != nil {
						t.Errorf("%s: got cause %v, want none", name, cause)
					}
					continue
				}
				if cause == nil {
					t.Errorf("%s: got no cause, want one", name)
				}
				if got := link.Next().Record; !bytes.Equal(got.Bytes(), rec) {
					t.Errorf("%s: got %q, want %q", name, got.Bytes(), rec)
				}
			}
		}
	}
}

// TestWillPlain: a plain will is published when its client has gone, retained if
// it says so, and may be empty; one to a wildcard is refused.
func TestWillPlain(t *testing.T) {
	t.Parallel()
	addr := serve(t, mqtt.ServerOptions{Plain: true}, mtptest.NewRecorder(t))
	sub := newForeign(t, addr, &paho.Connect{ClientID: "sub"})
	sub.subscribe(0, paho.SubscribeOptions{Topic: "state/+", QoS: 1})
	for _, version := range []byte{v5, v311} {
		for _, payload := range []string{"offline", ""} {
			p := dial(t, addr, version)
			p.write(connectWill(version, "dying", "state/dying", []byte(payload), 0, 9, payload != ""))
			p.wantConnack(0)
			_ = p.Close()
			sub.wantNext("state/dying", payload, 1, false)
		}
	}
	late := newForeign(t, addr, &paho.Connect{ClientID: "late"})
	late.subscribe(0, paho.SubscribeOptions{Topic: "state/+", QoS: 1})
	late.wantNext("state/dying", "offline", 1, true)
	p := dial(t, addr, v5)
	p.write(connectWill(v5, "wild", "state/+", []byte("x"), 0, 0, false))
	p.wantConnack(packets.ErrTopicNameInvalid.Code)
}

// TestWillDelay: a will waits for its client, as long as the session was to
// last, within the bounds of the server [MQTT-3.1.3-9].
func TestWillDelay(t *testing.T) {
	t.Parallel()
	o := mqtt.ServerOptions{Plain: true, MaxWillDelay: 500 * time.Millisecond, MaxWills: 1}
	addr := serve(t, o, mtptest.NewRecorder(t))
	sub := newForeign(t, addr, &paho.Connect{ClientID: "sub"})
	sub.subscribe(0, paho.SubscribeOptions{Topic: "state/+", QoS: 1})
	die := func(id string) {
		t.Helper()
		p := dial(t, addr, v5)
		p.write(connectWill(v5, id, "state/"+id, []byte("offline"), 200, 200, false))
		p.wantConnack(0)
		_ = p.Close()
	}
	begun := time.Now()
	die("first")
	die("second") // there is room for one that waits
	sub.next()
	sub.next()
	if d := time.Since(begun); d < 500*time.Millisecond {
		t.Errorf("delay: got %v, want 500 ms", d)
	}
	// Whoever comes back in time, takes it back.
	die("third")
	again := dial(t, addr, v5)
	again.write(connect(v5, "third"))
	again.wantConnack(0)
	die("fourth")
	sub.wantNext("state/fourth", "offline", 1, false) // as late as the third would have been
}
