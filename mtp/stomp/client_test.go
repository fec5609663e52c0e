// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/stomp"
	"github.com/uspgate/uspgate/usp"
)

// broker is one that the test writes and reads by hand.
type broker struct {
	net.Listener
	t testing.TB
}

func newBroker(tb testing.TB) *broker {
	tb.Helper()
	l, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = l.Close() })
	return &broker{l, tb}
}

func (b *broker) url() string { return "stomp://" + b.Addr().String() }

// accept takes the next connection and its STOMP frame.
func (b *broker) accept() (*peer, got) {
	b.t.Helper()
	conn, err := b.Accept()
	if err != nil {
		b.t.Fatal(err)
	}
	p := newPeer(b.t, conn)
	return p, p.want("STOMP")
}

var connectedFrame = rawFrame("CONNECTED", nil, "version:1.2")

// confirm answers the SUBSCRIBE of the own destination and returns that.
func confirm(p *peer) string {
	p.t.Helper()
	f := p.want("SUBSCRIBE")
	p.write(rawFrame("RECEIPT", nil, "receipt-id:"+f.headers["receipt"]))
	return f.headers["destination"]
}

// message is a MESSAGE with a Record.
func message(rec []byte, more ...string) []byte {
	return rawFrame("MESSAGE", rec, append([]string{
		"subscription:0", "message-id:1", "destination:/queue/x", fmt.Sprintf("content-length:%d", len(rec)),
	}, more...)...)
}

// TestClientFrames is the first frames to the byte [R-STOMP.2 to R-STOMP.5,
// R-STOMP.8, R-STOMP.12 to R-STOMP.22].
func TestClientFrames(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	hub := mtptest.NewRecorder(t)
	url := "stomp://us%3Aer:p%40ss@" + b.Addr().String()
	connectTo(t, stomp.ClientOptions{URL: url, VirtualHost: "/usp", Presents: true}, hub)
	p, first := b.accept()
	if want := "STOMP\naccept-version:1.2\nhost:/usp\nendpoint-id:os\\c\\c00D09E-agent-1\nlogin:us:er\npasscode:p@ss\n" +
		"heart-beat:60000,60000\n\n"; first.raw != want {
		t.Errorf("got %q, want %q", first.raw, want)
	}
	p.write(connectedFrame)
	f := p.want("SUBSCRIBE")
	own := escape(agentDest(agent))
	if want := "SUBSCRIBE\nid:0\ndestination:" + own + "\nack:auto\nreceipt:ready\n\n"; f.raw != want {
		t.Errorf("got %q, want %q", f.raw, want)
	}
	link := hub.Link()
	if got := link.Peer; !got.Shared || got.Presents != agent || got.Role != usp.RoleController || !got.Identity.Any {
		t.Errorf("Peer: got %+v", got)
	}
	token := link.Send(record(agent, controller, 1), mtp.Hint{}) // waits for the RECEIPT
	p.write(rawFrame("RECEIPT", nil, "receipt-id:ready"))
	f = p.want("SEND")
	if want := "SEND\ndestination:" + escape(controllerDest(controller)) + "\ncontent-type:application/vnd.bbf.usp.msg\n" +
		"reply-to-dest:" + own + fmt.Sprintf("\nreceipt:0\ncontent-length:%d\n\n", len(f.body)); f.raw != want {
		t.Errorf("got %q, want %q", f.raw, want)
	}
	p.write(rawFrame("RECEIPT", nil, "receipt-id:0"))
	if got := link.Settlement(); got.Token != token || got.Err != nil {
		t.Errorf("Settled: got %+v", got)
	}
	// To where the answer is wanted [R-STOMP.23].
	link.Send(record(agent, controller, 2), mtp.Hint{Destination: "/queue/c:1"})
	if got := p.want("SEND").headers["destination"]; got != `/queue/c\c1` {
		t.Errorf("destination: got %q", got)
	}
	p.write(message(record(controller, agent, 3), `reply-to-dest:/queue/c\c1`, "content-type:text/x"))
	got := link.Next()
	if got.Hint.ReplyTo != "/queue/c:1" || !bytes.Equal(got.Record.Bytes(), record(controller, agent, 3)) {
		t.Errorf("got %q with reply to %q", got.Record.Bytes(), got.Hint.ReplyTo)
	}
	rec := link.Link.(mtp.Connector).ConnectRecord(agent, controller)
	if got := usp.ConnectTopic(&rec); got != agentDest(agent) {
		t.Errorf("subscribed_destination: got %q", got)
	}
}

// TestClientDestination: where the own destination is from [R-STOMP.6,
// R-STOMP.14 to R-STOMP.17].
func TestClientDestination(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		o        stomp.ClientOptions
		assigned string
		want     string // "": the connection ends and another follows
	}{
		"template": {stomp.ClientOptions{}, "", agentDest(agent)},
		"template of Controllers": {
			stomp.ClientOptions{Role: usp.RoleController, Endpoint: controller}, "", controllerDest(controller),
		},
		"configured":          {stomp.ClientOptions{OwnDestination: "/queue/own"}, "", "/queue/own"},
		"assigned":            {stomp.ClientOptions{OwnDestination: "/queue/own"}, "/queue/a:1", "/queue/a:1"},
		"assigned, escaped":   {stomp.ClientOptions{Assigned: true}, `/queue/a\c1`, "/queue/a:1"},
		"not assigned":        {stomp.ClientOptions{Assigned: true}, "", ""},
		"shared":              {stomp.ClientOptions{Shared: true, OwnDestination: "/queue/gw"}, "", "/queue/gw"},
		"shared and assigned": {stomp.ClientOptions{Shared: true}, "/queue/gw", "/queue/gw"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBroker(t)
			hub := mtptest.NewRecorder(t)
			tt.o.URL = b.url()
			connectTo(t, tt.o, hub)
			for range 2 { // of a retry the same
				p, _ := b.accept()
				lines := []string{"version:1.2"}
				if tt.assigned != "" {
					lines = append(lines, "subscribe-dest:"+tt.assigned)
				}
				p.write(rawFrame("CONNECTED", nil, lines...))
				if tt.want == "" {
					p.wantEnd()
					continue
				}
				if got := confirm(p); got != escape(tt.want) {
					t.Errorf("destination: got %q, want %q", got, tt.want)
				}
				link := hub.Link()
				link.Send(mtptest.Record(agent, controller, "x", 0), mtp.Hint{})
				reply := tt.want
				if tt.o.Shared && tt.o.OwnDestination == "" {
					reply = agentDest(agent)
				}
				if tt.o.Role == usp.RoleController {
					reply = tt.want
				}
				if got := p.want("SEND").headers["reply-to-dest"]; got != escape(reply) {
					t.Errorf("reply-to-dest: got %q, want %q", got, reply)
				}
				_ = p.Close()
				if err := link.WaitDown(); err == nil {
					t.Error("cause: got nil, want an error")
				}
			}
		})
	}
}

// TestClientError: an ERROR ends the connection and another follows [R-STOMP.7,
// R-STOMP.25]; a Record that it is about is refused for good, all others come
// back.
func TestClientError(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	hub := mtptest.NewRecorder(t)
	connectTo(t, stomp.ClientOptions{URL: b.url()}, hub)
	p, _ := b.accept()
	p.write(rawFrame("ERROR", []byte("go away"), "message:not you"))
	p.wantEnd()
	for _, answer := range [][]byte{
		rawFrame("CONNECTED", nil, "version:1.0"), rawFrame("CONNECTED", nil), rawFrame("RECEIPT", nil, "receipt-id:1"),
		rawFrame("CONNECTED", nil, "version:1.2", "heart-beat:x"), []byte("HTTP/1.1 400 Bad Request\r\n\r\n"),
	} {
		p, _ = b.accept()
		p.write(answer)
		p.wantEnd()
	}
	p, _ = b.accept()
	p.write(connectedFrame)
	confirm(p)
	link := hub.Link()
	var tokens []mtp.Token
	for i := range 4 {
		tokens = append(tokens, link.Send(record(agent, controller, i), mtp.Hint{}))
		p.want("SEND")
	}
	p.write(rawFrame("RECEIPT", nil, "receipt-id:2"), rawFrame("RECEIPT", nil, "receipt-id:2"),
		rawFrame("RECEIPT", nil, "receipt-id:99"), rawFrame("RECEIPT", nil, "receipt-id:x"),
		rawFrame("ERROR", []byte("x"), "message:access refused", "receipt-id:1", "content-length:1"))
	want := []mtptest.Settlement{
		{Token: tokens[2]},
		{Token: tokens[1], Err: mtp.ErrForbidden},
		{Token: tokens[0], Err: mtp.ErrLinkDown},
		{Token: tokens[3], Err: mtp.ErrLinkDown},
	}
	for _, w := range want {
		if got := link.Settlement(); got != w {
			t.Errorf("Settled: got %+v, want %+v", got, w)
		}
	}
	if err := link.WaitDown(); err == nil || !strings.Contains(err.Error(), "access refused") {
		t.Errorf("cause: got %v, want what the broker says", err)
	}
	b.accept()
}

// TestClientPatience: a broker that does not answer is left, and another tried.
func TestClientPatience(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	hub := mtptest.NewRecorder(t)
	connectTo(t, stomp.ClientOptions{
		LinkOptions: stomp.LinkOptions{HandshakeTimeout: 200 * time.Millisecond}, URL: b.url(),
	}, hub)
	p, _ := b.accept()
	p.wantEnd()
	p, _ = b.accept()
	p.write(connectedFrame)
	p.want("SUBSCRIBE")
	p.wantEnd()
	if err := hub.Link().WaitDown(); err == nil {
		t.Error("cause: got nil, want an error")
	}
	p, _ = b.accept()
	p.write(connectedFrame)
	confirm(p)
	<-time.After(300 * time.Millisecond)
	link := hub.Link()
	link.Send(record(agent, controller, 1), mtp.Hint{})
	p.want("SEND")
}

// TestClientCulprit: a broker that does not say which SEND its ERROR is about, as
// RabbitMQ: they go one by one then, until it is known.
func TestClientCulprit(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	hub := mtptest.NewRecorder(t)
	connectTo(t, stomp.ClientOptions{URL: b.url()}, hub)
	connect := func(sends int) (*peer, *mtptest.Port) {
		p, _ := b.accept()
		p.write(connectedFrame)
		confirm(p)
		link := hub.Link()
		for i := range 3 {
			link.Send(record(agent, controller, i), mtp.Hint{})
		}
		for range sends {
			p.want("SEND")
		}
		return p, link
	}
	p, link := connect(3)
	p.write(rawFrame("ERROR", nil, "message:Invalid destination"))
	for range 3 {
		if got := link.Settlement(); !errors.Is(got.Err, mtp.ErrLinkDown) {
			t.Errorf("Settled: got %+v, want %v", got, mtp.ErrLinkDown)
		}
	}
	p, link = connect(1)
	p.write(rawFrame("RECEIPT", nil, "receipt-id:0"))
	p.want("SEND")
	p.write(rawFrame("ERROR", nil, "message:Invalid destination"))
	want := []mtptest.Settlement{{Token: 1}, {Token: 2, Err: mtp.ErrForbidden}, {Token: 3, Err: mtp.ErrLinkDown}}
	for _, w := range want {
		if got := link.Settlement(); got != w {
			t.Errorf("Settled: got %+v, want %+v", got, w)
		}
	}
	connect(3)
}

// TestClientWindow: no more than MaxInflight SENDs are without RECEIPT.
func TestClientWindow(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	hub := mtptest.NewRecorder(t)
	connectTo(t, stomp.ClientOptions{URL: b.url(), MaxInflight: 2}, hub)
	p, _ := b.accept()
	p.write(connectedFrame)
	confirm(p)
	link := hub.Link()
	for i := range 6 {
		link.Send(record(agent, controller, i), mtp.Hint{})
	}
	for i := range 3 {
		if first, second := p.want("SEND").headers["receipt"], p.want("SEND").headers["receipt"]; first != fmt.Sprint(2*i) ||
			second != fmt.Sprint(2*i+1) {
			t.Fatalf("receipts: got %s and %s, want %d and %d", first, second, 2*i, 2*i+1)
		}
		if n := p.r.Buffered(); n > 0 {
			t.Fatalf("got %d bytes more, want to be waited for", n)
		}
		p.write(rawFrame("RECEIPT", nil, fmt.Sprintf("receipt-id:%d", 2*i)))
		p.write(rawFrame("RECEIPT", nil, fmt.Sprintf("receipt-id:%d", 2*i+1)))
	}
}

// TestClientBye: DISCONNECT at shutdown, after the receipts; what comes before
// its RECEIPT is still taken, because the broker holds it for delivered
// [R-STOMP.28, R-STOMP.30].
func TestClientBye(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	hub := mtptest.NewRecorder(t)
	c, err := stomp.NewClient(stomp.ClientOptions{URL: b.url(), Endpoint: agent, Role: usp.RoleAgent})
	if err != nil {
		t.Fatal(err)
	}
	running := mtptest.Start(t, c, hub)
	p, _ := b.accept()
	p.write(connectedFrame)
	confirm(p)
	link := hub.Link()
	token := link.Send(record(agent, controller, 1), mtp.Hint{})
	p.want("SEND")
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		running.Stop(t)
	}()
	p.write(rawFrame("RECEIPT", nil, "receipt-id:0"))
	if f := p.want("DISCONNECT"); f.headers["receipt"] != "bye" {
		t.Errorf("DISCONNECT: got %q", f.raw)
	}
	p.write(message(record(controller, agent, 9)), rawFrame("RECEIPT", nil, "receipt-id:bye"))
	p.wantEnd()
	<-stopped
	link.Next()
	if got := link.Settlement(); got.Token != token || got.Err != nil {
		t.Errorf("Settled: got %+v", got)
	}
	if err := link.WaitDown(); !errors.Is(err, mtp.ErrDraining) {
		t.Errorf("cause: got %v, want %v", err, mtp.ErrDraining)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	link := func(o stomp.LinkOptions) stomp.ClientOptions {
		return stomp.ClientOptions{LinkOptions: o, URL: "stomp://h", Endpoint: agent, Role: usp.RoleAgent}
	}
	templates := func(agent, controller string) stomp.ClientOptions {
		return link(stomp.LinkOptions{Destinations: stomp.Destinations{Agent: agent, Controller: controller}})
	}
	bad := map[string]stomp.ClientOptions{
		"no URL":           {Endpoint: agent, Role: usp.RoleAgent},
		"scheme":           {URL: "http://h", Endpoint: agent, Role: usp.RoleAgent},
		"no Endpoint":      {URL: "stomp://h", Role: usp.RoleAgent},
		"no role":          {URL: "stomp://h", Endpoint: agent},
		"assigned, shared": {URL: "stomp://h", Shared: true, Assigned: true},
		"template":         templates("/queue/a", "/queue/{endpoint_id}"),
		"same template":    templates("/{endpoint_id}", "/{endpoint_id}"),
		"large header":     link(stomp.LinkOptions{MaxHeader: 16 << 10}),
		"negative timeout": link(stomp.LinkOptions{FrameTimeout: -1}),
		"negative":         link(stomp.LinkOptions{MaxRecord: -1}),
	}
	for name, o := range bad {
		if _, err := stomp.NewClient(o); err == nil {
			t.Errorf("%s: got nil, want an error", name)
		}
	}
	c, err := stomp.NewClient(stomp.ClientOptions{URL: "stomps://u:secret@h", Endpoint: agent, Role: usp.RoleAgent})
	if err != nil || c.Addr() != "stomps://u:xxxxx@h:61614" || c.Name() != "stomp" {
		t.Errorf("got %v, %v", c, err)
	}
}
