// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/stomp"
	"github.com/uspgate/uspgate/usp"
)

// TestSubscribe: who may listen where [R-STOMP.34].
func TestSubscribe(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	addr := serve(t, stomp.ServerOptions{LinkOptions: stomp.LinkOptions{Order: 7}}, hub)
	const me = usp.EndpointID("os::me")
	tests := map[string]struct {
		claim, dest string
		refused     bool
		role        usp.Role
	}{
		"own as Agent, as offered":  {string(me), agentDest(me), false, usp.RoleUnknown},
		"own as Controller":         {string(me), controllerDest(me), false, usp.RoleController},
		"own by configuration":      {string(me), "/queue/agent-1", false, usp.RoleUnknown},
		"another Agent's":           {string(me), agentDest("os::other"), true, 0},
		"another Controller's":      {string(me), controllerDest("os::other"), true, 0},
		"claimed as an Agent":       {"", agentDest(me), false, usp.RoleAgent},
		"claimed as a Controller":   {"", controllerDest(me), false, usp.RoleController},
		"nobody, by configuration":  {"", "/queue/agent-1", false, usp.RoleUnknown},
		"another's, escaped colons": {string(me), "/queue/usp.v1.agent.os::another:one", true, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { // one after the other, to know whose Link it is
			p := dial(t, addr)
			first := rawFrame("STOMP", nil, "accept-version:1.2")
			if tt.claim != "" {
				first = connectFrame(usp.EndpointID(tt.claim))
			}
			p.write(first, subscribeFrame("a:0", tt.dest, "receipt:r:1"))
			p.want("CONNECTED")
			if tt.refused {
				p.wantError("another Endpoint")
				return
			}
			if got := p.want("RECEIPT").headers["receipt-id"]; got != `r\c1` {
				t.Errorf(`receipt-id: got %q, want r\c1`, got)
			}
			link := hub.Link()
			if got := link.Peer; got.Role != tt.role || got.Order != 7 {
				t.Errorf("Peer: got %+v, want role %v", got, tt.role)
			}
			link.Send(record(controller, me, 1), mtp.Hint{})
			f := p.want("MESSAGE")
			if f.headers["subscription"] != `a\c0` || f.headers["destination"] != escape(tt.dest) {
				t.Errorf("MESSAGE: got %q, want to %q", f.raw, tt.dest)
			}
		})
	}
}

// TestUnsubscribe: Records wait while there is no subscription; heart-beats and
// receipts do not [R-STOMP.28, R-STOMP.29].
func TestUnsubscribe(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	addr := serve(t, stomp.ServerOptions{Role: usp.RoleAgent}, hub)
	p := agentPeer(t, addr, agent)
	link := hub.Link()
	p.write(rawFrame("UNSUBSCRIBE", nil, "id:0", "receipt:u"))
	p.want("RECEIPT")
	token := link.Send(record(controller, agent, 1), mtp.Hint{})
	p.write(sendFrame(record(agent, controller, 1), "receipt:s"))
	link.Next()
	if got := p.want("RECEIPT").headers["receipt-id"]; got != "s" {
		t.Errorf("receipt-id: got %q, want s", got)
	}
	p.write(subscribeFrame("new", "/queue/new"))
	if f := p.want("MESSAGE"); f.headers["destination"] != "/queue/new" || f.headers["subscription"] != "new" {
		t.Errorf("MESSAGE: got %q, want to /queue/new", f.raw)
	}
	if got := link.Settlement(); got.Token != token || got.Err != nil {
		t.Errorf("Settled: got %+v, want %d", got, token)
	}
}

// TestFirstRecord: a client that sends before it subscribes is up, and what is
// for it waits.
func TestFirstRecord(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	addr := serve(t, stomp.ServerOptions{}, hub)
	p := dial(t, addr)
	rec := usp.NewSTOMPConnect(agent, controller, agentDest(agent))
	p.write(connectFrame(agent), sendFrame(rec.Bytes()))
	p.want("CONNECTED")
	link := hub.Link()
	if link.Peer.Role != usp.RoleAgent {
		t.Errorf("Role: got %v, want that of a Connect Record", link.Peer.Role)
	}
	link.Next()
	link.Send(record(controller, agent, 1), mtp.Hint{})
	p.write(subscribeFrame("0", agentDest(agent), "receipt:sub"))
	p.want("RECEIPT")
	p.want("MESSAGE")
}

// TestRoles: the destination of a SEND tells the role of its sender, if nothing
// better has.
func TestRoles(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	addr := serve(t, stomp.ServerOptions{}, hub)
	p := dial(t, addr)
	p.write(connectFrame(controller), subscribeFrame("0", "/queue/c", "receipt:sub"))
	p.want("CONNECTED")
	p.want("RECEIPT")
	link := hub.Link()
	if link.Peer.Role != usp.RoleUnknown {
		t.Fatalf("Role: got %v, want unknown", link.Peer.Role)
	}
	rec := record(controller, agent, 1)
	p.write(rawFrame("SEND", rec, "destination:"+escape(agentDest(agent)), fmt.Sprintf("content-length:%d", len(rec))))
	link.Next()
	if _, ok := link.Bound()[usp.Address{ID: controller, Role: usp.RoleController}]; !ok {
		t.Errorf("Bound: got %v, want the Controller", link.Bound())
	}
	link.Send(record(agent, controller, 1), mtp.Hint{})
	if got := p.want("MESSAGE").headers["reply-to-dest"]; got != escape(agentDest(agent)) {
		t.Errorf("reply-to-dest: got %q, want the Agent's", got)
	}
}

// TestTrunk: a shared Link speaks for many, and takes each at its destination.
func TestTrunk(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	addr := serve(t, stomp.ServerOptions{
		LinkOptions: stomp.LinkOptions{Patterns: []string{"os::00D09E-*"}}, Role: usp.RoleAgent, Shared: true,
	}, hub)
	p := dial(t, addr)
	p.write(connectFrame("self::gw"), subscribeFrame("1", agentDest(agent)),
		subscribeFrame("2", agentDest(mtptest.Neighbour), "receipt:2"))
	p.want("CONNECTED")
	p.want("RECEIPT")
	link := hub.Link()
	if got := link.Peer; !got.Shared || !slices.Equal(got.Identity.Patterns, []string{"os::00D09E-*"}) ||
		got.Identity.Any || !got.Identity.Allows("self::gw") {
		t.Errorf("Peer: got %+v", got)
	}
	for id, sub := range map[usp.EndpointID]string{agent: "1", mtptest.Neighbour: "2"} {
		link.Send(record(controller, id, 1), mtp.Hint{})
		if got := p.want("MESSAGE").headers["subscription"]; got != sub {
			t.Errorf("subscription for %s: got %q, want %q", id, got, sub)
		}
	}
	p.write(subscribeFrame("3", agentDest("os::FFFFFF-1")))
	p.wantError("another Endpoint")
}
