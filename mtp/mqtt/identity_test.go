// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mqtt"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/usp"
)

// TestPeer: what the options and the proxy in front say of a client.
func TestPeer(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	addr := serve(t, mqtt.ServerOptions{
		Shared: true, Order: 7, Patterns: []string{"os::00D09E-*"}, Role: usp.RoleAgent,
		ProxyFrom: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Auth:      func(mqtt.Login) (mtp.Identity, error) { return mtp.Identity{Method: "password"}, nil },
	}, hub)
	p := dial(t, addr, v311)
	p.write([]byte("PROXY TCP4 192.0.2.7 192.0.2.1 4711 1883\r\n"),
		packet(0x10, str("MQTT"), []byte{v311, 0xc2, 0, 60}, str("bridge"), str("bob"), str("secret")),
		subscribe(v311, 1, agentTopic("os::00D09E-1"), agentTopic("os::FFFFFF-1")))
	p.wantConnack(0)
	if got := p.want(packets.Suback).ReasonCodes; !slices.Equal(got, []byte{1, 0x80}) {
		t.Errorf("SUBACK: got %#x, want 0x1 0x80", got)
	}
	got := hub.Link().Peer
	if !got.Shared || got.Order != 7 || got.Remote != "192.0.2.7:4711" || got.Loopback || got.Identity.Name != "bob" ||
		got.Identity.Any || !slices.Equal(got.Identity.Patterns, []string{"os::00D09E-*"}) {
		t.Errorf("Peer: got %+v", got)
	}
}
