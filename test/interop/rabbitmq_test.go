// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	gostomp "github.com/go-stomp/stomp/v3"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mqtt"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/stomp"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp"
)

func agentQueue(id usp.EndpointID) string      { return "/queue/usp.v1.agent." + string(id) }
func controllerQueue(id usp.EndpointID) string { return "/queue/usp.v1.controller." + string(id) }

// TestRabbitMQ is one broker for all of these, because it takes its time to come
// up: our clients on it, with Agents of other makers.
func TestRabbitMQ(t *testing.T) {
	r := startRabbitMQ(t)
	t.Run("STOMP shared", func(t *testing.T) { rabbitShared(t, r) })
	t.Run("STOMP one Endpoint", func(t *testing.T) { rabbitSingle(t, r) })
	t.Run("STOMP kept", func(t *testing.T) { rabbitKept(t, r) })
	t.Run("STOMP refused", func(t *testing.T) { rabbitRefused(t, r) })
	t.Run("MQTT 3.1.1", func(t *testing.T) { rabbitMQTT(t, r) })
}

func stompClient(t *testing.T, o stomp.ClientOptions) (*stomp.Client, *mtptest.Recorder) {
	t.Helper()
	o.Retry.Interval = 100 * time.Millisecond
	c, err := stomp.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	r := mtptest.NewRecorder(t)
	mtptest.Start(t, c, r)
	return c, r
}

// foreignStomp is go-stomp as the Agent of another maker.
func foreignStomp(t *testing.T, r *rabbitMQ, own string) (*gostomp.Conn, *gostomp.Subscription) {
	t.Helper()
	conn, err := gostomp.Dial("tcp", r.Stomp, gostomp.ConnOpt.Login("guest", "guest"), gostomp.ConnOpt.Host("/"),
		gostomp.ConnOpt.Header("endpoint-id", string(foreignAgent)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Disconnect() })
	sub, err := conn.Subscribe(own, gostomp.AckAuto)
	if err != nil {
		t.Fatal(err)
	}
	return conn, sub
}

func stompRecord(from, to usp.EndpointID, n, size int) []byte {
	return mtptest.Record(from, to, fmt.Sprintf("\x00\n%d:\\", n), size)
}

func nextMessage(t *testing.T, sub *gostomp.Subscription) *gostomp.Message {
	t.Helper()
	select {
	case m := <-sub.C:
		if m.Err != nil {
			t.Fatal(m.Err)
		}
		return m
	case <-time.After(harness.Timeout):
		t.Fatal("no MESSAGE arrived")
		return nil
	}
}

// rabbitShared: our shared Link represents two Controllers; each Agent's answer
// comes to the one that asked, and what is for a third is never seen.
func rabbitShared(t *testing.T, r *rabbitMQ) {
	t.Helper()
	const second = usp.EndpointID("self::second:with%20more")
	c, hub := stompClient(t, stomp.ClientOptions{
		URL: "stomp://guest:guest@" + r.Stomp, VirtualHost: "/", Shared: true, Role: usp.RoleController,
		LinkOptions: stomp.LinkOptions{HeartBeat: time.Second},
	})
	c.Represent(usp.Address{ID: foreignController, Role: usp.RoleController})
	link := hub.Link()
	c.Represent(usp.Address{ID: second, Role: usp.RoleController})
	own := agentQueue(foreignAgent)
	conn, sub := foreignStomp(t, r, own)
	// A Record between others on this broker.
	err := conn.Send(controllerQueue("self::third"), "application/vnd.bbf.usp.msg",
		stompRecord(foreignAgent, "self::third", 0, 0), gostomp.SendOpt.Receipt)
	if err != nil {
		t.Fatal(err)
	}
	for i, size := range []int{0, 100, 20_000, 1 << 20} {
		for _, from := range []usp.EndpointID{foreignController, second} {
			down := stompRecord(from, foreignAgent, i, size)
			token := link.Send(down, mtp.Hint{})
			m := nextMessage(t, sub)
			if !bytes.Equal(m.Body, down) || m.ContentType != "application/vnd.bbf.usp.msg" {
				t.Fatalf("from %s, %d bytes: the Record has changed, content-type %q", from, size, m.ContentType)
			}
			replyTo := m.Header.Get("reply-to-dest")
			if replyTo != controllerQueue(from) {
				t.Fatalf("reply-to-dest: got %q, want %q", replyTo, controllerQueue(from))
			}
			if s := link.Settlement(); s.Token != token || s.Err != nil {
				t.Fatalf("Settled: got %+v, want %d", s, token)
			}
			up := stompRecord(foreignAgent, from, i, size)
			err := conn.Send(replyTo, "application/vnd.bbf.usp.msg", up,
				gostomp.SendOpt.Receipt, gostomp.SendOpt.Header("reply-to-dest", own))
			if err != nil {
				t.Fatal(err)
			}
			if got := link.Next(); !bytes.Equal(got.Record.Bytes(), up) || got.Hint.ReplyTo != own {
				t.Fatalf("to %s, %d bytes: got %d, reply to %q", from, size, got.Record.Len(), got.Hint.ReplyTo)
			}
		}
	}
	// Heart-beats in both directions keep it up without Records.
	quiet := time.After(4 * time.Second)
	<-quiet
	if link.IsDown() || hub.Links() > 0 {
		t.Fatal("the connection has ended")
	}
}

// rabbitSingle: one Endpoint each, ours on both sides, also by a destination of
// another kind.
func rabbitSingle(t *testing.T, r *rabbitMQ) {
	t.Helper()
	for name, d := range map[string]stomp.Destinations{
		"queues": {},
		"topics": {Agent: "/topic/usp.v1.agent.{endpoint_id}", Controller: "/topic/usp.v1.controller.{endpoint_id}"},
		"escaped slashes": {
			Agent: "/queue/usp%2Fv1%2Fagent%2F{endpoint_id}", Controller: "/queue/usp%2Fv1%2Fcontroller%2F{endpoint_id}",
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := stomp.ClientOptions{
				LinkOptions: stomp.LinkOptions{Destinations: d}, URL: "stomp://guest:guest@" + r.Stomp, VirtualHost: "/",
				Endpoint: "os::00D09E-one", Role: usp.RoleAgent, Presents: true,
			}
			_, south := stompClient(t, o)
			agent := south.Link()
			ready(t, agent)
			o.Endpoint, o.Role = "self::one", usp.RoleController
			_, north := stompClient(t, o)
			controller := north.Link()
			ready(t, controller)
			for i := range 100 {
				up, down := stompRecord("os::00D09E-one", "self::one", i, 0), stompRecord("self::one", "os::00D09E-one", i, 0)
				agent.Send(up, mtp.Hint{})
				got := controller.Next()
				if !bytes.Equal(got.Record.Bytes(), up) {
					t.Fatalf("up %d: got %q", i, got.Record.Bytes())
				}
				controller.Send(down, mtp.Hint{Destination: got.Hint.ReplyTo})
				if got := agent.Next(); !bytes.Equal(got.Record.Bytes(), down) {
					t.Fatalf("down %d: got %q", i, got.Record.Bytes())
				}
			}
		})
	}
}

// ready waits until the broker has confirmed the subscription, by a Record to
// nobody that is settled.
func ready(t *testing.T, p *mtptest.Port) {
	t.Helper()
	p.Send(stompRecord("os::x", "os::y", 0, 0), mtp.Hint{Destination: "/topic/nobody"})
	if s := p.Settlement(); s.Err != nil {
		t.Fatalf("Settled: got %v, want nil", s.Err)
	}
}

// rabbitKept: the default destinations are queues, which keep what comes for an
// Endpoint that is not there, in order.
func rabbitKept(t *testing.T, r *rabbitMQ) {
	t.Helper()
	const absent = usp.EndpointID("os::00D09E-absent")
	_, hub := stompClient(t, stomp.ClientOptions{
		URL: "stomp://guest:guest@" + r.Stomp, VirtualHost: "/", Endpoint: foreignController, Role: usp.RoleController,
	})
	link := hub.Link()
	for i := range 50 {
		link.Send(stompRecord(foreignController, absent, i, 0), mtp.Hint{})
	}
	for range 50 {
		if s := link.Settlement(); s.Err != nil {
			t.Fatalf("Settled: got %v, want nil", s.Err)
		}
	}
	_, sub := foreignStomp(t, r, agentQueue(absent))
	for i := range 50 {
		if m := nextMessage(t, sub); !bytes.Equal(m.Body, stompRecord(foreignController, absent, i, 0)) {
			t.Fatalf("MESSAGE %d: got %q", i, m.Body)
		}
	}
}

// rabbitRefused: RabbitMQ answers a SEND to a destination that it does not have,
// one with further slashes, with an ERROR; the Record is refused for good, and
// the connection comes again.
func rabbitRefused(t *testing.T, r *rabbitMQ) {
	t.Helper()
	_, hub := stompClient(t, stomp.ClientOptions{
		URL: "stomp://guest:guest@" + r.Stomp, VirtualHost: "/", Endpoint: foreignController, Role: usp.RoleController,
	})
	link := hub.Link()
	link.Send(stompRecord(foreignController, foreignAgent, 0, 0), mtp.Hint{Destination: "/queue/usp/v1/agent"})
	s := link.Settlement()
	err := link.WaitDown()
	t.Logf("settled with %v, down with %v", s.Err, err)
	if s.Err == nil || err == nil {
		t.Fatalf("got %v and %v, want errors", s.Err, err)
	}
	ready(t, hub.Link())
}

// rabbitMQTT has our MQTT client, with MQTT 3.1.1, meet another on RabbitMQ,
// where the / of a topic is a dot inside.
func rabbitMQTT(t *testing.T, r *rabbitMQ) {
	t.Helper()
	agent := client(t, r.MQTT, foreignAgent, usp.RoleAgent, mqtt.Version311)
	controller := client(t, r.MQTT, foreignController, usp.RoleController, mqtt.Version311)
	exchange(t, agent.Link(), controller.Link(), true, true)
}
