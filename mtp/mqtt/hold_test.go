// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt_test

import (
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mqtt"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/routing/routetest"
	"github.com/uspgate/uspgate/usp"
)

const (
	hold          = 300 * time.Millisecond
	quotaExceeded = 0x97
	refusedLate   = "uspgate_held_total late"
)

// fullRouter serves Agents whose Controller is away, with no room for more of its
// Records.
func fullRouter(t *testing.T, maxHold time.Duration) (*routetest.Full, string) {
	t.Helper()
	r := routetest.New(t, usp.Address{ID: controller, Role: usp.RoleController})
	s, err := mqtt.NewServer(mqtt.ServerOptions{
		Listen: "127.0.0.1:0", Role: usp.RoleAgent, MaxHold: maxHold, CloseTimeout: 200 * time.Millisecond,
		Metrics: r.Metrics,
	})
	if err != nil {
		t.Fatal(err)
	}
	mtptest.Start(t, s, r)
	return r, s.Addr()
}

// TestHeldThenQuotaExceeded: the PUBACK comes when the hold is over, and the
// connection goes on.
func TestHeldThenQuotaExceeded(t *testing.T) {
	t.Parallel()
	r, addr := fullRouter(t, hold)
	p := agentPeer(t, addr, v5, agent)
	begin := time.Now()
	p.write(publish(v5, 1, controllerTopic(controller), record(agent, controller, 1)))
	p.write(publish(v5, 2, controllerTopic(controller), record(agent, controller, 2)))
	p.wantPuback(1, quotaExceeded)
	if took := time.Since(begin); took < hold {
		t.Errorf("PUBACK: got after %v, want %v", took, hold)
	}
	p.wantPuback(2, quotaExceeded)
	r.Want(refusedLate, 2)
	r.Want("uspgate_records_total in mqtt busy", 2)
	if got := r.Room(); got != "filler" {
		t.Errorf("got %q in the buffer, want what was there before", got)
	}
	p.write(publish(v5, 3, controllerTopic(controller), record(agent, controller, 3)))
	p.wantPuback(3, 0)
}

// TestHeldThenRoom: with room before the hold is over there is nothing but success,
// in order.
func TestHeldThenRoom(t *testing.T) {
	t.Parallel()
	for _, version := range []byte{v5, v311} {
		r, addr := fullRouter(t, time.Minute)
		p := agentPeer(t, addr, version, agent)
		p.write(publish(version, 1, controllerTopic(controller), record(agent, controller, 1)))
		p.write(publish(version, 2, controllerTopic(controller), record(agent, controller, 2)))
		p.ping()
		r.Want("uspgate_held_records", 2)
		r.Room()
		p.wantPuback(1, 0)
		if got, want := r.Room(), "payload 1"; got != want {
			t.Errorf("got %q in the buffer, want %q", got, want)
		}
		p.wantPuback(2, 0)
		if got, want := r.Room(), "payload 2"; got != want {
			t.Errorf("got %q in the buffer, want %q", got, want)
		}
	}
}

// TestHeldThenClosed: MQTT 3.1.1 has no PUBACK that says no.
func TestHeldThenClosed(t *testing.T) {
	t.Parallel()
	r, addr := fullRouter(t, hold)
	p := agentPeer(t, addr, v311, agent)
	begin := time.Now()
	p.write(publish(v311, 1, controllerTopic(controller), record(agent, controller, 1)))
	p.wantEnd()
	if took := time.Since(begin); took < hold {
		t.Errorf("closed after %v, want %v", took, hold)
	}
	r.Want(refusedLate, 1)
}

func TestHeldOfOtherQoS(t *testing.T) {
	t.Parallel()
	r, addr := fullRouter(t, 10*time.Millisecond)
	p := agentPeer(t, addr, v5, agent)
	p.write(publish(v5, 0, controllerTopic(controller), record(agent, controller, 1)))
	r.Want("uspgate_records_total in mqtt busy", 1) // there is no answer
	qos2 := publish(v5, 7, controllerTopic(controller), record(agent, controller, 2))
	qos2[0] = 0x34
	p.write(qos2)
	if pk := p.want(packets.Pubrec); pk.PacketID != 7 || pk.ReasonCode != quotaExceeded {
		t.Errorf("PUBREC: got %d with %#x, want 7 with %#x", pk.PacketID, pk.ReasonCode, quotaExceeded)
	}
}

// TestClientLeavesUnacknowledged: what there is no room for stays with the broker,
// which sends it again on the next connection; what comes behind it is acknowledged.
func TestClientLeavesUnacknowledged(t *testing.T) {
	t.Parallel()
	for _, version := range []byte{v5, v311} {
		b := listen(t)
		hub, _ := b.client(mqtt.ClientOptions{
			Version: mqtt.Version(version), SessionExpiry: time.Hour, RepeatAfter: 50 * time.Millisecond,
		})
		p, _ := b.accept(version)
		p.write(connack(version, 0))
		p.write(suback(version, p.take(packets.Subscribe).PacketID, 1))
		link := hub.Link()
		if got := link.Peer; got.MaxHold != mqtt.DefaultMaxHold || !got.Acks {
			t.Errorf("Peer: got MaxHold %v and Acks %v, want %v and true", got.MaxHold, got.Acks, mqtt.DefaultMaxHold)
		}
		link.RefuseRecords(func(rec usp.Record) error {
			if string(rec.Header().Payload) == "payload 1" {
				return mtp.ErrBusy
			}
			return nil
		})
		p.write(publish(version, 1, agentTopic(agent), record(controller, agent, 1)))
		p.write(publish(version, 2, agentTopic(agent), record(controller, agent, 2)))
		if pk := p.take(packets.Puback); pk.PacketID != 2 || pk.ReasonCode != 0 {
			t.Fatalf("PUBACK: got %d with %#x, want 2 with 0: 1 was not kept", pk.PacketID, pk.ReasonCode)
		}
		p.take(packets.Disconnect)
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		p, pk := b.accept(version)
		if pk.Connect.Clean {
			t.Error("CONNECT: got a clean session, want the one with the Record")
		}
		p.write(connack(version, 0))
		p.write(suback(version, p.take(packets.Subscribe).PacketID, 1))
		hub.Link()
		p.write(publish(version, 1, agentTopic(agent), record(controller, agent, 1)))
		if pk := p.take(packets.Puback); pk.PacketID != 1 || pk.ReasonCode != 0 {
			t.Errorf("PUBACK: got %d with %#x, want 1 with 0", pk.PacketID, pk.ReasonCode)
		}
	}
}
