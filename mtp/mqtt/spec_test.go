// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt_test

import (
	"errors"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mqtt"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/usp"
)

// TestRetry: a connection that fails, is refused or is ended by the broker is
// tried again, after a wait of the first step, and from that step on once it was
// good [R-MQTT.10, R-MQTT.33].
func TestRetry(t *testing.T) {
	t.Parallel()
	b := listen(t)
	const step = 200 * time.Millisecond
	ended := make(chan error, 10)
	c, err := mqtt.NewClient(mqtt.ClientOptions{
		URL: "mqtt://" + b.Addr().String(), Endpoint: agent, Role: usp.RoleAgent,
		Retry:  mtp.BackoffOptions{Interval: step},
		GiveUp: func(err error) error { ended <- err; return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	mtptest.Start(t, c, mtptest.NewRecorder(t))
	for _, end := range []func(p *peer){
		func(*peer) {},
		func(p *peer) { p.write(connack(v5, 0x87)) },
		func(p *peer) {
			p.write(connack(v5, 0))
			p.write(suback(v5, p.take(packets.Subscribe).PacketID, 0))
			p.write([]byte{0xe0, 1, 0x8b})
		},
	} {
		p, _ := b.accept(v5)
		end(p)
		_ = p.Close()
		if err := <-ended; err == nil {
			t.Error("got nil, want why it ended")
		}
	}
	begun := time.Now()
	b.accept(v5)
	if d := time.Since(begun); d < step/2 || d > 10*step {
		t.Errorf("the next attempt came after %v, want the first step of %v again", d, step)
	}
}

// TestErrorOfOldPeers: what older peers send instead of an answer is dropped,
// by Content Type or as the reason of a PUBACK, and costs nothing [R-MQTT.28,
// R-MQTT.32].
func TestErrorOfOldPeers(t *testing.T) {
	t.Parallel()
	for _, isPlain := range []bool{false, true} {
		hub := mtptest.NewRecorder(t)
		p := agentPeer(t, serve(t, mqtt.ServerOptions{Plain: isPlain}, hub), v5, agent)
		link := hub.Link()
		p.write(publish(v5, 1, controllerTopic(controller), []byte("7001 no such thing"), prop(0x03, str("usp.error")),
			user("usp-err-id", string(controller)+"/1")))
		p.wantPuback(1, 0x99)
		link.Send(record(controller, agent, 1), mtp.Hint{})
		id := p.wantPublish(record(controller, agent, 1)).PacketID
		p.write([]byte{0x40, 3, byte(id >> 8), byte(id), 0x99})
		if got := link.Settlement(); !errors.Is(got.Err, mtp.ErrMalformed) {
			t.Errorf("Settled: got %v, want %v", got.Err, mtp.ErrMalformed)
		}
		p.ping()
	}
}
