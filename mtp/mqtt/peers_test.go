// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt_test

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	paho3 "github.com/eclipse/paho.mqtt.golang"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mqtt"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/usp"
)

// TestPaho5 has the MQTT 5 client of the Eclipse Foundation obey our CONNACK
// [R-MQTT.1, R-MQTT.3, R-MQTT.6, R-MQTT.18, R-MQTT.19, R-MQTT.39].
func TestPaho5(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	addr := serve(t, mqtt.ServerOptions{Role: usp.RoleAgent}, hub)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan *paho.Publish, 100)
	c := paho.NewClient(paho.ClientConfig{Conn: conn, OnPublishReceived: []func(paho.PublishReceived) (bool, error){
		func(p paho.PublishReceived) (bool, error) {
			got <- p.Packet
			return true, nil
		},
	}})
	ack, err := c.Connect(t.Context(), &paho.Connect{CleanStart: true, KeepAlive: 30, Properties: &paho.ConnectProperties{
		RequestResponseInfo: true, User: paho.UserProperties{{Key: "usp-endpoint-id", Value: string(agent)}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	own := ack.Properties.User.Get("subscribe-topic")
	if own != ack.Properties.ResponseInfo || own != agentTopic(agent) {
		t.Fatalf("subscribe-topic: got %q, want %q", own, agentTopic(agent))
	}
	subscription := &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: own, QoS: 2}}}
	if _, err := c.Subscribe(t.Context(), subscription); err != nil {
		t.Fatal(err)
	}
	link := hub.Link()
	for i := range 100 {
		resp, err := c.Publish(t.Context(), &paho.Publish{
			QoS: byte(i % 3), Topic: controllerTopic(controller), Payload: record(agent, controller, i),
			Properties: &paho.PublishProperties{ContentType: "usp.msg", ResponseTopic: own + "/answers"},
		})
		if err != nil || resp.ReasonCode != 0 {
			t.Fatalf("Publish %d: got %+v, %v", i, resp, err)
		}
		r := link.Next()
		if !bytes.Equal(r.Record.Bytes(), record(agent, controller, i)) || r.Hint.ReplyTo != own+"/answers" {
			t.Fatalf("Record %d: got %q", i, r.Record.Bytes())
		}
	}
	for i := range 100 {
		link.Send(record(controller, agent, i), mtp.Hint{Destination: own})
		p := <-got
		if !bytes.Equal(p.Payload, record(controller, agent, i)) || p.Properties.ContentType != "usp.msg" ||
			p.Properties.ResponseTopic != controllerTopic(controller) {
			t.Fatalf("PUBLISH %d: got %v", i, p)
		}
		if s := link.Settlement(); s.Err != nil {
			t.Fatalf("Settled: got %v, want nil", s.Err)
		}
	}
	if err := c.Disconnect(&paho.Disconnect{}); err != nil {
		t.Error(err)
	}
	if err := link.WaitDown(); err != nil {
		t.Errorf("cause: got %v, want nil", err)
	}
	<-c.Done()
}

// TestPaho311 has their MQTT 3.1.1 client do the same the old way [R-MQTT.2].
func TestPaho311(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	addr := serve(t, mqtt.ServerOptions{Role: usp.RoleAgent}, hub)
	got := make(chan paho3.Message, 100)
	c := paho3.NewClient(paho3.NewClientOptions().AddBroker("tcp://" + addr).SetClientID(string(agent)).
		SetProtocolVersion(4).SetAutoReconnect(false).SetConnectTimeout(mtptest.Timeout))
	wait := func(token paho3.Token) {
		t.Helper()
		if !token.WaitTimeout(mtptest.Timeout) || token.Error() != nil {
			t.Fatalf("got %v, want success", token.Error())
		}
	}
	wait(c.Connect())
	own := agentTopic(agent)
	wait(c.Subscribe(own+"/#", 1, func(_ paho3.Client, m paho3.Message) { got <- m }))
	link := hub.Link()
	answers := own + "/answers"
	suffix := "/reply-to=" + strings.ReplaceAll(answers, "/", "%2F")
	for i := range 100 {
		wait(c.Publish(controllerTopic(controller)+suffix, byte(i%3), false, record(agent, controller, i)))
		if r := link.Next(); !bytes.Equal(r.Record.Bytes(), record(agent, controller, i)) || r.Hint.ReplyTo != answers {
			t.Fatalf("Record %d: got %q", i, r.Record.Bytes())
		}
	}
	for i := range 100 {
		link.Send(record(controller, agent, i), mtp.Hint{Destination: own})
		m := <-got
		if want := own + "/reply-to=usp%2Fv1%2Fcontroller%2Fproto::controller"; m.Topic() != want ||
			!bytes.Equal(m.Payload(), record(controller, agent, i)) {
			t.Fatalf("PUBLISH %d: got %q to %q, want %q", i, m.Payload(), m.Topic(), want)
		}
		if s := link.Settlement(); s.Err != nil {
			t.Fatalf("Settled: got %v, want nil", s.Err)
		}
	}
	c.Disconnect(uint(time.Second / time.Millisecond))
	if err := link.WaitDown(); err != nil {
		t.Errorf("cause: got %v, want nil", err)
	}
}
