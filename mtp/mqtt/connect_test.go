// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt_test

import (
	"bytes"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mqtt"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/usp"
)

// TestConnack: the CONNACK of MQTT 5 tells an Agent where to subscribe
// [R-MQTT.12, R-MQTT.13, R-MQTT.15, R-MQTT.21, R-MQTT.45] and what there is not.
func TestConnack(t *testing.T) {
	t.Parallel()
	addr := serve(t, mqtt.ServerOptions{MaxRecord: 1000}, mtptest.NewRecorder(t))
	topic := packets.UserProperty{Key: "subscribe-topic", Val: agentTopic(agent)}
	tests := map[string]struct {
		properties [][]byte
		response   string
		topics     []packets.UserProperty
	}{
		"asks":               {[][]byte{requestResponse, iAm(agent)}, topic.Val, []packets.UserProperty{topic}},
		"does not ask":       {[][]byte{iAm(agent)}, "", []packets.UserProperty{topic}},
		"no problem reports": {[][]byte{{0x17, 0}, iAm(agent)}, "", []packets.UserProperty{topic}},
		"no Endpoint ID":     {[][]byte{requestResponse}, "", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := dial(t, addr, v5)
			p.write(connect(v5, "", tt.properties...))
			got := p.wantConnack(0).Properties
			if got.ResponseInfo != tt.response || !slices.Equal(got.User, tt.topics) {
				t.Errorf("got Response Information %q, user properties %v, want %q, %v",
					got.ResponseInfo, got.User, tt.response, tt.topics)
			}
			if got.AssignedClientID == "" { // [R-MQTT.9]
				t.Error("got no Assigned Client Identifier, want one")
			}
			if !got.RetainAvailableFlag || got.RetainAvailable != 0 || !got.SharedSubAvailableFlag ||
				got.SharedSubAvailable != 0 || got.TopicAliasMaximum != 0 {
				t.Errorf("got %+v, want no retained messages, shared subscriptions and topic aliases", got)
			}
			if got.MaximumPacketSize < 1000 {
				t.Errorf("got Maximum Packet Size %d, want room for a Record of 1000", got.MaximumPacketSize)
			}
		})
	}
}

// TestConnectRefused: who is refused hears why, in the words of its version.
func TestConnectRefused(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	addr := serve(t, mqtt.ServerOptions{Metrics: reg, Auth: func(l mqtt.Login) (mtp.Identity, error) {
		if l.Username != "busy" && l.Password != "secret" {
			return mtp.Identity{}, errors.New("wrong password")
		}
		if l.Username == "busy" {
			return mtp.Identity{}, mtp.ErrBusy
		}
		return mtp.Identity{Method: "password", IDs: []usp.EndpointID{usp.EndpointID(l.Username)}}, nil
	}}, mtptest.NewRecorder(t))
	login := func(version byte, clientID, name, password string, claim string) []byte {
		body := append(str("MQTT"), version, 0xc2, 0, 60)
		if version == v5 {
			body = append(body, props(user("usp-endpoint-id", claim))...)
		}
		return packet(0x10, body, str(clientID), str(name), str(password))
	}
	tests := map[string]struct {
		version byte
		connect []byte
		reason  byte
	}{
		"as itself, 5":               {v5, login(v5, "1", string(agent), "secret", string(agent)), 0},
		"as itself, 3.1.1":           {v311, login(v311, string(agent), string(agent), "secret", ""), 0},
		"does not say, 3.1.1":        {v311, login(v311, "any client", string(agent), "secret", ""), 0},
		"password, 5":                {v5, login(v5, "3", string(agent), "guess", string(agent)), 0x86},
		"password, 3.1.1":            {v311, login(v311, "4", string(agent), "guess", ""), 5},
		"somebody else, 5":           {v5, login(v5, "5", string(agent), "secret", string(controller)), 0x87}, // [R-SEC.4c]
		"somebody else, 3.1.1":       {v311, login(v311, string(controller), string(agent), "secret", ""), 5},
		"busy, 5":                    {v5, login(v5, "7", "busy", "guess", string(agent)), 0x89},
		"busy, 3.1.1":                {v311, login(v311, "8", "busy", "guess", ""), 3},
		"no ClientID and no session": {v311, packet(0x10, str("MQTT"), []byte{v311, 0, 0, 60}, str("")), 2},
		"MQTT 3.1":                   {v311, packet(0x10, str("MQIsdp"), []byte{3, 2, 0, 60}, str("old")), 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := dial(t, addr, tt.version)
			p.write(tt.connect, subscribe(tt.version, 1, "at/once"))
			p.wantConnack(tt.reason)
			if tt.reason != 0 {
				p.wantEnd()
			}
		})
	}
	eventually(t, func() bool { return rejected(t, reg, "handshake") == 4 })
	err := testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP uspgate_connections_rejected_total Connections turned away before they became a Link.
# TYPE uspgate_connections_rejected_total counter
uspgate_connections_rejected_total{mtp="mqtt",reason="address"} 0
uspgate_connections_rejected_total{mtp="mqtt",reason="auth"} 2
uspgate_connections_rejected_total{mtp="mqtt",reason="connections"} 0
uspgate_connections_rejected_total{mtp="mqtt",reason="handshake"} 4
uspgate_connections_rejected_total{mtp="mqtt",reason="identity"} 2
uspgate_connections_rejected_total{mtp="mqtt",reason="router"} 0
`), "uspgate_connections_rejected_total")
	if err != nil {
		t.Error(err)
	}
}

// TestClientID: 64 characters and more, and the special ones [R-MQTT.47]; none
// at all is fine in 3.1.1 too, with a clean session.
func TestClientID(t *testing.T) {
	t.Parallel()
	addr := serve(t, mqtt.ServerOptions{}, mtptest.NewRecorder(t))
	for _, id := range []string{"", strings.Repeat("long", 40), "a-b.c_d%25:e", "os::00D09E-1"} {
		for _, version := range []byte{v5, v311} {
			p := dial(t, addr, version)
			p.write(connect(version, id))
			p.wantConnack(0)
			p.ping()
			_ = p.Close()
		}
	}
}

// TestProbe: a connection without a word is none of anybody's business.
func TestProbe(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	addr := serve(t, mqtt.ServerOptions{Metrics: reg, MaxConnections: 1}, mtptest.NewRecorder(t))
	for range 3 {
		p := dial(t, addr, v5)
		if err := p.Conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		p.wantEnd()
	}
	agentPeer(t, addr, v5, agent)
	if got := rejected(t, reg, "handshake"); got != 0 {
		t.Errorf("rejected: got %v, want 0", got)
	}
}

// TestNoConnect: who does not finish its CONNECT is cut off.
func TestNoConnect(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	addr := serve(t, mqtt.ServerOptions{Metrics: reg, HandshakeTimeout: 50 * time.Millisecond}, mtptest.NewRecorder(t))
	whole := connect(v5, "slow")
	for i, begin := range [][]byte{nil, whole[:1], whole[:len(whole)-1]} {
		p := dial(t, addr, v5)
		p.write(begin)
		p.wantEnd()
		eventually(t, func() bool { return rejected(t, reg, "handshake") == float64(i+1) })
	}
}

// TestHugeConnect: user properties and will are bounded by MaxControl.
func TestHugeConnect(t *testing.T) {
	t.Parallel()
	addr := serve(t, mqtt.ServerOptions{MaxControl: 2000}, mtptest.NewRecorder(t))
	many := make([][]byte, 100)
	for i := range many {
		many[i] = user("key", strings.Repeat("v", 20))
	}
	p := dial(t, addr, v5)
	p.write(connect(v5, "a", many[:50]...))
	p.wantConnack(0)
	p = dial(t, addr, v5)
	p.write(connect(v5, "b", many...)[:5]) // its length is enough
	p.wantEnd()
	p = dial(t, addr, v5)
	p.write(publish(v5, 0, "a", nil))
	p.wantEnd() // CONNECT comes first [MQTT-3.1.0-1]
}

// TestTakeover: a second CONNECT with the same ClientID ends the first link,
// whose Down comes before the LinkUp of the second [MQTT-3.1.4-3].
func TestTakeover(t *testing.T) {
	t.Parallel()
	for _, version := range []byte{v5, v311} {
		hub := mtptest.NewRecorder(t)
		addr := serve(t, mqtt.ServerOptions{}, hub)
		var before *mtptest.Port
		hub.OnLinkUp = func(*mtptest.Port) {
			if before != nil && !before.IsDown() {
				t.Error("LinkUp of the newer link came before Down of the older one")
			}
		}
		first := agentPeer(t, addr, version, agent)
		before = hub.Link()
		token := before.Send(record(controller, agent, 1), mtp.Hint{}) // never acknowledged
		second := agentPeer(t, addr, version, agent)
		if got := before.Settlement(); got.Token != token || !errors.Is(got.Err, mtp.ErrLinkDown) {
			t.Fatalf("Settled: got %+v, want %d with %v", got, token, mtp.ErrLinkDown)
		}
		if err := before.WaitDown(); !errors.Is(err, mtp.ErrReplaced) {
			t.Fatalf("cause: got %v, want %v", err, mtp.ErrReplaced)
		}
		first.wantPublish(record(controller, agent, 1))
		first.wantDisconnect(packets.ErrSessionTakenOver.Code)
		hub.Link().Send(record(controller, agent, 2), mtp.Hint{})
		second.wantPublish(record(controller, agent, 2))
	}
}

// TestTakeoverStorm: of many at a time with one ClientID one is left.
func TestTakeoverStorm(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	addr := serve(t, mqtt.ServerOptions{}, hub)
	const clients = 50
	peers := make([]*peer, clients)
	for i := range peers {
		peers[i] = dial(t, addr, v5)
		peers[i].write(connect(v5, "same", iAm(agent)), subscribe(v5, 1, agentTopic(agent)))
	}
	over := make(chan *peer, clients)
	for _, p := range peers {
		go func() { // ends with its connection, at the latest when the test ends
			for {
				if _, err := p.read(); err != nil {
					over <- p
					return
				}
			}
		}()
	}
	for range clients - 1 {
		<-over
	}
	// The last one comes up when the one before is entirely down.
	last := hub.Link()
	for last.IsDown() || hub.Links() > 0 {
		_ = last.WaitDown()
		last = hub.Link()
	}
	for _, p := range peers {
		_ = p.Close()
	}
	<-over
}

// TestTakeoverForbidden: nobody takes the ClientID of an Endpoint that has
// proved who it is.
func TestTakeoverForbidden(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	addr := serve(t, mqtt.ServerOptions{Auth: func(l mqtt.Login) (mtp.Identity, error) {
		return mtp.Identity{Method: "password", IDs: []usp.EndpointID{l.Endpoint}}, nil
	}}, hub)
	p := dial(t, addr, v5)
	p.write(connect(v5, "mine", iAm(agent)), subscribe(v5, 1, agentTopic(agent)))
	p.wantConnack(0)
	thief := dial(t, addr, v5)
	thief.write(connect(v5, "mine", user("usp-endpoint-id", "os::00D09E-thief")))
	thief.wantConnack(packets.ErrNotAuthorized.Code)
	p.want(packets.Suback)
	p.ping()
}

// TestNoSessions: what is not acknowledged is kept by the router, so a session
// ends with its connection and the client is told.
func TestNoSessions(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	addr := serve(t, mqtt.ServerOptions{}, hub)
	for range 2 {
		p := dial(t, addr, v311)
		p.write(packet(0x10, str("MQTT"), []byte{v311, 0, 0, 60}, str(string(agent))), subscribe(v311, 1, agentTopic(agent)))
		if pk := p.wantConnack(0); pk.SessionPresent {
			t.Error("3.1.1: got Session Present, want none")
		}
		p.want(packets.Suback)
		_ = p.Close()
		if err := hub.Link().WaitDown(); err == nil {
			t.Error("cause: got nil, want an error")
		}
	}
	p := dial(t, addr, v5)
	p.write(packet(0x10, str("MQTT"), []byte{v5, 0, 0, 60}, props([]byte{0x11, 0, 0, 1, 0}), str("a")))
	pk := p.wantConnack(0)
	if pk.SessionPresent || !pk.Properties.SessionExpiryIntervalFlag || pk.Properties.SessionExpiryInterval != 0 {
		t.Errorf("5: got %+v, want Session Expiry Interval 0", pk.Properties)
	}
}

// TestKeepAlive: a silent client is cut off after one and a half intervals, one
// with keep-alive 0 is not.
func TestKeepAlive(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	addr := serve(t, mqtt.ServerOptions{HandshakeTimeout: 500 * time.Millisecond}, hub)
	patient := dial(t, addr, v5)
	patient.write(packet(0x10, str("MQTT"), []byte{v5, 2, 0, 0, 0}, str("patient")))
	patient.wantConnack(0)
	hasty := dial(t, addr, v5)
	hasty.write(packet(0x10, str("MQTT"), []byte{v5, 2, 0, 1, 0}, str("hasty")), subscribe(v5, 1, "a"))
	hasty.wantConnack(0)
	if err := hub.Link().WaitDown(); err == nil {
		t.Error("cause: got nil, want an error")
	}
	patient.ping()
}

// TestMaxConnections: one too many is closed at once, and there is room again
// afterwards.
func TestMaxConnections(t *testing.T) {
	t.Parallel()
	for reason, o := range map[string]mqtt.ServerOptions{
		"connections": {MaxConnections: 2}, "address": {MaxConnectionsPerAddress: 2},
	} {
		reg := prometheus.NewRegistry()
		o.Metrics = reg
		hub := mtptest.NewRecorder(t)
		addr := serve(t, o, hub)
		first := agentPeer(t, addr, v5, agent)
		link := hub.Link()
		agentPeer(t, addr, v5, mtptest.Neighbour)
		dial(t, addr, v5).wantEnd()
		eventually(t, func() bool { return rejected(t, reg, reason) == 1 })
		_ = first.Close()
		_ = link.WaitDown()
		again := dial(t, addr, v5)
		again.write(connect(v5, "again"))
		again.wantConnack(0)
	}
}

func rejected(t *testing.T, reg *prometheus.Registry, reason string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == "uspgate_connections_rejected_total" && l.GetName() == "reason" && l.GetValue() == reason {
					return m.GetCounter().GetValue()
				}
			}
		}
	}
	t.Fatalf("no metric for %s", reason)
	return 0
}

// TestRouterUsesLinkWithinLinkUp: the router may close the link from LinkUp.
func TestRouterUsesLinkWithinLinkUp(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	hub.OnLinkUp = func(p *mtptest.Port) {
		if _, err := p.Enqueue(record(controller, agent, 1), mtp.Hint{}); err != nil {
			t.Errorf("Enqueue: got %v, want nil", err)
		}
		p.Link.Close(mtp.ErrReplaced)
	}
	addr := serve(t, mqtt.ServerOptions{}, hub)
	p := agentPeer(t, addr, v5, agent)
	p.wantPublish(record(controller, agent, 1))
	p.write(puback(1))
	p.wantDisconnect(packets.ErrSessionTakenOver.Code)
	_ = p.Close()
	link := hub.Link()
	if got := link.Settlement(); got.Err != nil {
		t.Errorf("Settled: got %v, want nil", got.Err)
	}
	if err := link.WaitDown(); !errors.Is(err, mtp.ErrReplaced) {
		t.Errorf("cause: got %v, want %v", err, mtp.ErrReplaced)
	}
}

// TestDisconnect: a client that says good-bye ends its link in good order.
func TestDisconnect(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	addr := serve(t, mqtt.ServerOptions{}, hub)
	for _, version := range []byte{v5, v311} {
		p := agentPeer(t, addr, version, agent)
		last := record(agent, controller, 1)
		p.write(publish(version, 0, controllerTopic(controller), last), []byte{0xe0, 0})
		link := hub.Link()
		if got := link.Next(); !bytes.Equal(got.Record.Bytes(), last) {
			t.Errorf("got %q, want %q", got.Record.Bytes(), last)
		}
		if err := link.WaitDown(); err != nil {
			t.Errorf("cause: got %v, want nil", err)
		}
	}
}

// eventually waits until f is true.
func eventually(t *testing.T, f func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	timeout := time.After(mtptest.Timeout)
	for !f() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatal("still not true")
		}
	}
}
