// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mqtt"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/usp"
)

// TestSubscribe: an Endpoint reads its own topics and nobody else's
// [R-MQTT.40, R-MQTT.41]; wildcards are fine where they reach nobody
// [R-MQTT.46].
func TestSubscribe(t *testing.T) {
	t.Parallel()
	addr := serve(t, mqtt.ServerOptions{}, mtptest.NewRecorder(t))
	tests := map[string]byte{
		"usp/v1/agent/proto::agent":              1,
		"usp/v1/agent/proto::agent/#":            1,
		"usp/v1/agent/proto::agent/+":            1,
		"usp/v1/controller/proto::agent":         1,
		"usp/+/agent/proto::agent":               1,
		"+/proto::agent/#":                       1,
		"+/+/proto::agent/#":                     1,
		"something/else/#":                       1,
		"/usp/v1/agent/other":                    1,
		"usp/v1/agent":                           1,
		"usp/v1/agent/other":                     0x87,
		"usp/v1/agent/other/#":                   0x87,
		"usp/v1/agent/other/reply-to=a":          0x87,
		"usp/v1/agent/+":                         0x87,
		"usp/v1/agent/+/#":                       0x87,
		"usp/v1/agent/#":                         0x87,
		"usp/v1/+/other":                         0x87,
		"usp/#":                                  0x87,
		"+/+/+/+":                                0x87,
		"#":                                      0x87,
		"+/#":                                    0x87,
		"$SYS/#":                                 0x87,
		"$share/group/usp/v1/agent/proto::agent": 0x9e,
		"$SHARE/group/a":                         0x9e,
		"":                                       0x8f,
		"a/#/b":                                  0x8f,
		"a#":                                     0x8f,
		"a/b+":                                   0x8f,
		"usp/v1/agent/proto::agent/reply-to=a%2Fb%2F": 1,
	}
	for _, version := range []byte{v5, v311} {
		p := dial(t, addr, version)
		p.write(connect(version, string(agent)))
		p.wantConnack(0)
		for filter, want := range tests {
			if version == v311 && want >= 0x80 {
				want = 0x80 // the only failure there is
			}
			p.write(subscribe(version, 5, filter))
			if got := p.want(packets.Suback); !slices.Equal(got.ReasonCodes, []byte{want}) {
				t.Errorf("%d: SUBACK for %q: got %#x, want %#x", version, filter, got.ReasonCodes, want)
			}
		}
	}
}

// TestSubscribeMany: the subscriptions of a client are bounded, one that it has
// counts once.
func TestSubscribeMany(t *testing.T) {
	t.Parallel()
	addr := serve(t, mqtt.ServerOptions{MaxSubscriptions: 3}, mtptest.NewRecorder(t))
	for _, version := range []byte{v5, v311} {
		quota := map[byte]byte{v5: packets.ErrQuotaExceeded.Code, v311: 0x80}[version]
		p := dial(t, addr, version)
		p.write(connect(version, "many"))
		p.wantConnack(0)
		p.write(subscribe(version, 1, "a", "b", "a", "c", "d", "e"))
		if got, want := p.want(packets.Suback).ReasonCodes, []byte{1, 1, 1, 1, quota, quota}; !slices.Equal(got, want) {
			t.Errorf("SUBACK: got %#x, want %#x", got, want)
		}
		p.write(unsubscribe(version, 2, "a"))
		p.want(packets.Unsuback)
		p.write(subscribe(version, 3, "b", "d", "e"))
		if got, want := p.want(packets.Suback).ReasonCodes, []byte{1, 1, quota}; !slices.Equal(got, want) {
			t.Errorf("SUBACK: got %#x, want %#x", got, want)
		}
		filters := make([]string, 10_000)
		for i := range filters {
			filters[i] = fmt.Sprint(i)
		}
		p.write(subscribe(version, 4, filters...))
		if version == v5 {
			p.wantDisconnect(packets.ErrPacketTooLarge.Code)
		} else {
			p.wantEnd()
		}
	}
}

// TestUnsubscribe answers per filter in MQTT 5.
func TestUnsubscribe(t *testing.T) {
	t.Parallel()
	p := agentPeer(t, serve(t, mqtt.ServerOptions{}, mtptest.NewRecorder(t)), v5, agent)
	for i, want := range []byte{0, packets.CodeNoSubscriptionExisted.Code} {
		p.write(unsubscribe(v5, uint16(i+2), agentTopic(agent)))
		if got := p.want(packets.Unsuback).ReasonCodes; !slices.Equal(got, []byte{want}) {
			t.Errorf("UNSUBACK: got %#x, want %#x", got, want)
		}
	}
}

// TestTopics: to which topic a Record goes, by what the client has subscribed to
// and what the router asks for [R-MQTT.22, R-MQTT.23, R-MQTT.24, R-MQTT.26].
func TestTopics(t *testing.T) {
	t.Parallel()
	own, from := agentTopic(agent), controllerTopic(controller)
	suffix := "/reply-to=usp%2Fv1%2Fcontroller%2Fproto::controller"
	tests := map[string]struct {
		version     byte
		filters     []string
		destination string
		topic       string
		response    string
	}{
		"5":                              {v5, []string{own}, "", own, from},
		"5, own topic":                   {v5, []string{"my/topic"}, "", "my/topic", from},
		"5, own topic and template":      {v5, []string{own, "my/topic"}, "", own, from},
		"5, everything below":            {v5, []string{"my/topic/#"}, "", "my/topic", from},
		"5, per request":                 {v5, []string{own, "my/answers"}, "my/answers", "my/answers", from},
		"5, asked for and not there":     {v5, []string{own}, "my/answers", own, from},
		"5, wildcards [R-MQTT.46]":       {v5, []string{"+/" + string(agent) + "/#"}, "", "usp/" + string(agent), from},
		"3.1.1":                          {v311, []string{own + "/#"}, "", own + suffix, ""},
		"3.1.1, one level":               {v311, []string{own + "/+"}, "", own + suffix, ""},
		"3.1.1, not the levels below":    {v311, []string{own}, "", own, ""},
		"3.1.1, own topic":               {v311, []string{"/my/topic/#"}, "", "/my/topic" + suffix, ""},
		"3.1.1, per request":             {v311, []string{own, "my/answers/#"}, "my/answers", "my/answers" + suffix, ""},
		"3.1.1, wildcards [R-MQTT.46]":   {v311, []string{"+/+/proto::agent/#"}, "", "usp/usp/proto::agent" + suffix, ""},
		"3.1.1, asked for and not there": {v311, []string{own + "/#"}, "my/answers", own + suffix, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hub := mtptest.NewRecorder(t)
			p := dial(t, serve(t, mqtt.ServerOptions{Role: usp.RoleAgent}, hub), tt.version)
			p.write(connect(tt.version, string(agent)), subscribe(tt.version, 1, tt.filters...))
			p.wantConnack(0)
			p.want(packets.Suback)
			link := hub.Link()
			for i := range 2 { // the second one takes the way of the first
				token := link.Send(record(controller, agent, i), mtp.Hint{Destination: tt.destination})
				got := p.wantPublish(record(controller, agent, i))
				if got.TopicName != tt.topic || got.Properties.ResponseTopic != tt.response || got.FixedHeader.Qos != 1 {
					t.Errorf("got %q, Response Topic %q, QoS %d, want %q, %q, QoS 1",
						got.TopicName, got.Properties.ResponseTopic, got.FixedHeader.Qos, tt.topic, tt.response)
				}
				if want := map[byte]string{v5: "usp.msg"}[tt.version]; got.Properties.ContentType != want { // [R-MQTT.27]
					t.Errorf("Content Type: got %q, want %q", got.Properties.ContentType, want)
				}
				p.write(puback(got.PacketID))
				if got := link.Settlement(); got != (mtptest.Settlement{Token: token}) {
					t.Errorf("Settled: got %+v, want %d <nil>", got, token)
				}
			}
		})
	}
}

// TestTrunk: a client that may speak for many gets the Records of each on its
// topic.
func TestTrunk(t *testing.T) {
	t.Parallel()
	for _, identity := range []mtp.Identity{
		{Method: "password", Any: true},
		{Method: "password", IDs: []usp.EndpointID{agent, mtptest.Neighbour}},
	} {
		hub := mtptest.NewRecorder(t)
		p := dial(t, serve(t, mqtt.ServerOptions{
			Role: usp.RoleAgent, Auth: func(mqtt.Login) (mtp.Identity, error) { return identity, nil },
		}, hub), v5)
		p.write(connect(v5, "trunk"), subscribe(v5, 1, agentTopic(agent), agentTopic(mtptest.Neighbour), "usp/v1/agent/+"))
		p.wantConnack(0)
		want := []byte{1, 1, 0x87}
		if identity.Any {
			want[2] = 1
		}
		if got := p.want(packets.Suback).ReasonCodes; !slices.Equal(got, want) {
			t.Errorf("SUBACK: got %#x, want %#x", got, want)
		}
		link := hub.Link()
		for _, to := range []usp.EndpointID{agent, mtptest.Neighbour} {
			link.Send(record(controller, to, 1), mtp.Hint{})
			if got := p.wantPublish(record(controller, to, 1)).TopicName; got != agentTopic(to) {
				t.Errorf("topic: got %q, want %q", got, agentTopic(to))
			}
		}
	}
}

// TestClientPuback: the outcome that an MQTT 5 client gives reaches the router.
func TestClientPuback(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	p := agentPeer(t, serve(t, mqtt.ServerOptions{}, hub), v5, agent)
	link := hub.Link()
	for reason, want := range map[byte]error{
		0: nil, 0x10: mtp.ErrUnroutable, 0x80: mtp.ErrForbidden, 0x83: mtp.ErrTooLarge, 0x87: mtp.ErrForbidden,
		0x90: mtp.ErrUnroutable, 0x91: mtp.ErrBusy, 0x97: mtp.ErrBusy, 0x99: mtp.ErrMalformed, 0x11: nil,
	} {
		link.Send(record(controller, agent, 1), mtp.Hint{})
		id := p.wantPublish(record(controller, agent, 1)).PacketID
		p.write([]byte{0x40, 3, byte(id >> 8), byte(id), reason}, puback(id), puback(id+100)) // what is not ours is ignored
		if got := link.Settlement(); !errors.Is(got.Err, want) {
			t.Errorf("%#x: got %v, want %v", reason, got.Err, want)
		}
	}
}

// TestMaximumPacketSize: a packet that the client does not take is not sent
// [MQTT-3.1.2-24].
func TestMaximumPacketSize(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	p := dial(t, serve(t, mqtt.ServerOptions{Role: usp.RoleAgent}, hub), v5)
	p.write(connect(v5, string(agent), []byte{0x27, 0, 0, 4, 0}), subscribe(v5, 1, agentTopic(agent)))
	p.wantConnack(0)
	p.want(packets.Suback)
	link := hub.Link()
	if link.Peer.MaxRecord != 1024 {
		t.Errorf("MaxRecord: got %d, want 1024", link.Peer.MaxRecord)
	}
	link.Send(mtptest.Record(controller, agent, "large", 1000), mtp.Hint{})
	if got := link.Settlement(); !errors.Is(got.Err, mtp.ErrTooLarge) {
		t.Errorf("Settled: got %v, want %v", got.Err, mtp.ErrTooLarge)
	}
	fits := mtptest.Record(controller, agent, "fits", 900)
	link.Send(fits, mtp.Hint{})
	p.wantPublish(fits)
}
