// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp_test

import (
	"bytes"
	"net"
	"testing"

	gostomp "github.com/go-stomp/stomp/v3"
	"github.com/go-stomp/stomp/v3/frame"
	gostompserver "github.com/go-stomp/stomp/v3/server"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/stomp"
	"github.com/uspgate/uspgate/usp"
)

// TestForeignClient has the client of another project talk to our server, in
// both versions that we have.
func TestForeignClient(t *testing.T) {
	t.Parallel()
	for name, version := range map[string]gostomp.Version{"1.2": gostomp.V12, "1.1": gostomp.V11} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hub := mtptest.NewRecorder(t)
			addr := serve(t, stomp.ServerOptions{Role: usp.RoleAgent}, hub)
			c, err := gostomp.Dial("tcp", addr, gostomp.ConnOpt.AcceptVersion(version),
				gostomp.ConnOpt.Header("endpoint-id", string(agent)))
			if err != nil {
				t.Fatal(err)
			}
			sub, err := c.Subscribe(agentDest(agent), gostomp.AckAuto)
			if err != nil {
				t.Fatal(err)
			}
			link := hub.Link()
			if link.Peer.Endpoint != agent {
				t.Errorf("Endpoint: got %q, want %q", link.Peer.Endpoint, agent)
			}
			for i := range 100 {
				err := c.Send(controllerDest(controller), "application/vnd.bbf.usp.msg", record(agent, controller, i),
					gostomp.SendOpt.Receipt, gostomp.SendOpt.Header("reply-to-dest", "/queue/answers"))
				if err != nil {
					t.Fatal(err)
				}
				r := link.Next()
				if !bytes.Equal(r.Record.Bytes(), record(agent, controller, i)) || r.Hint.ReplyTo != "/queue/answers" {
					t.Fatalf("Record %d: got %q to %q", i, r.Record.Bytes(), r.Hint.ReplyTo)
				}
			}
			for i := range 100 {
				link.Send(record(controller, agent, i), mtp.Hint{})
				m := <-sub.C
				if m.Err != nil || !bytes.Equal(m.Body, record(controller, agent, i)) || m.Destination != agentDest(agent) ||
					m.ContentType != "application/vnd.bbf.usp.msg" || m.Header.Get("reply-to-dest") != controllerDest(controller) {
					t.Fatalf("MESSAGE %d: got %+v", i, m)
				}
			}
			if err := c.Disconnect(); err != nil {
				t.Error(err)
			}
			if err := link.WaitDown(); err != nil {
				t.Errorf("cause: got %v, want nil", err)
			}
		})
	}
}

// TestForeignBroker has our client on the broker of another project, with
// another's client as the Agent.
func TestForeignBroker(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = gostompserver.Serve(l) }() // it has no end, see TestMain
	defer func() { _ = l.Close() }()
	agentConn, err := gostomp.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer agentConn.MustDisconnect()
	sub, err := agentConn.Subscribe(agentDest(agent), gostomp.AckAuto)
	if err != nil {
		t.Fatal(err)
	}
	hub := mtptest.NewRecorder(t)
	c, err := stomp.NewClient(stomp.ClientOptions{
		LinkOptions: stomp.LinkOptions{HeartBeat: -1}, URL: "stomp://" + l.Addr().String(), Shared: true,
		Role: usp.RoleController,
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Represent(usp.Address{ID: controller, Role: usp.RoleController})
	running := mtptest.Start(t, c, hub)
	link := hub.Link()
	for i := range 50 {
		link.Send(record(controller, agent, i), mtp.Hint{})
		m := <-sub.C
		if m.Err != nil || !bytes.Equal(m.Body, record(controller, agent, i)) {
			t.Fatalf("MESSAGE %d: got %+v", i, m)
		}
		if got := link.Settlement(); got.Err != nil {
			t.Fatalf("Settled: got %v, want nil", got.Err)
		}
		err := agentConn.Send(m.Header.Get("reply-to-dest"), m.ContentType, record(agent, controller, i),
			func(f *frame.Frame) error { f.Header.Set("reply-to-dest", agentDest(agent)); return nil })
		if err != nil {
			t.Fatal(err)
		}
		r := link.Next()
		if !bytes.Equal(r.Record.Bytes(), record(agent, controller, i)) || r.Hint.ReplyTo != agentDest(agent) {
			t.Fatalf("Record %d: got %q to %q", i, r.Record.Bytes(), r.Hint.ReplyTo)
		}
	}
	running.Stop(t)
}
