// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mqtt"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/usp"
)

// run starts a transport and ends it with the test.
func run(t *testing.T, tr mtp.Transport, h mtp.Handler) {
	t.Helper()
	if err := tr.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- tr.Run(ctx, h) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("%s: %v", tr.Name(), err)
		}
	})
}

func newServer(t *testing.T, o mqtt.ServerOptions) (*mqtt.Server, *mtptest.Recorder) {
	t.Helper()
	o.Listen = "127.0.0.1:0"
	s, err := mqtt.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	r := mtptest.NewRecorder(t)
	run(t, s, r)
	return s, r
}

func newClient(t *testing.T, s *mqtt.Server, id usp.EndpointID, role usp.Role) *mtptest.Recorder {
	t.Helper()
	c, err := mqtt.NewClient(mqtt.ClientOptions{URL: "mqtt://" + s.Addr(), Endpoint: id, Role: role})
	if err != nil {
		t.Fatal(err)
	}
	r := mtptest.NewRecorder(t)
	run(t, c, r)
	return r
}

const (
	agent      = usp.EndpointID("proto::agent")
	controller = usp.EndpointID("proto::controller")
)

func record(from, to usp.EndpointID, n int) []byte {
	rec := usp.NewNoSession(from, to, "1.4", fmt.Appendf(nil, "payload %d", n))
	return rec.Bytes()
}

func TestBothWays(t *testing.T) {
	t.Parallel()
	s, north := newServer(t, mqtt.ServerOptions{})
	client := newClient(t, s, controller, usp.RoleController)
	inner := client.Link()
	outer := north.Link()
	for i := range 300 {
		inner.Send(record(controller, agent, i), mtp.Hint{})
	}
	for i := range 300 {
		got := outer.Next()
		if !bytes.Equal(got.Record.Bytes(), record(controller, agent, i)) {
			t.Fatalf("Record %d: got %q", i, got.Record.Bytes())
		}
		if got.Hint.ReplyTo != "" { // it is where everything for the client goes
			t.Fatalf("got reply-to %q, want none", got.Hint.ReplyTo)
		}
	}
	for i := range 300 {
		outer.Send(record(agent, controller, i), mtp.Hint{})
	}
	for i := range 300 {
		if got := inner.Next(); !bytes.Equal(got.Record.Bytes(), record(agent, controller, i)) {
			t.Fatalf("Record %d: got %q", i, got.Record.Bytes())
		}
	}
	for range 300 {
		if got := outer.Settlement(); got.Err != nil {
			t.Fatalf("got outcome %v, want delivered", got.Err)
		}
	}
}
