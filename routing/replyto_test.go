// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing_test

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

func record(t *testing.T, from, to usp.EndpointID, m *uspmsg.Msg) usp.Record {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return usp.NewNoSession(from, to, "", b)
}

func request(t *testing.T, id string) usp.Record {
	t.Helper()
	return record(t, controllerID, agentID, &uspmsg.Msg{
		Header: &uspmsg.Header{MsgId: id, MsgType: uspmsg.Header_GET},
		Body: &uspmsg.Body{MsgBody: &uspmsg.Body_Request{Request: &uspmsg.Request{
			ReqType: &uspmsg.Request_Get{Get: &uspmsg.Get{ParamPaths: []string{"Device."}}},
		}}},
	})
}

func response(t *testing.T, from usp.EndpointID, id string) usp.Record {
	t.Helper()
	return record(t, from, controllerID, &uspmsg.Msg{
		Header: &uspmsg.Header{MsgId: id, MsgType: uspmsg.Header_GET_RESP},
		Body: &uspmsg.Body{MsgBody: &uspmsg.Body_Response{Response: &uspmsg.Response{
			RespType: &uspmsg.Response_GetResp{GetResp: &uspmsg.GetResp{}},
		}}},
	})
}

func errorAnswer(t *testing.T, id string) usp.Record {
	t.Helper()
	return record(t, agentID, controllerID, &uspmsg.Msg{
		Header: &uspmsg.Header{MsgId: id, MsgType: uspmsg.Header_ERROR},
		Body:   &uspmsg.Body{MsgBody: &uspmsg.Body_Error{Error: &uspmsg.Error{ErrCode: 7000}}},
	})
}

// overBroker is a Controller behind an MQTT broker, bound to its topic.
func overBroker(t *testing.T, r *routing.Router) *link {
	t.Helper()
	l := up(t, r, mtp.Peer{
		Kind: mtp.MQTT, Listener: "broker", Role: usp.RoleController, NoConnectRecords: true,
		Shared: true, Identity: mtp.Identity{Any: true},
	})
	a := usp.Address{ID: controllerID, Role: usp.RoleController}
	if err := l.port.Bind(a, mtp.Hint{Destination: "usp/controller"}); err != nil {
		t.Fatal(err)
	}
	return l
}

func destinations(list []outgoing) []string {
	var s []string
	for _, o := range list {
		s = append(s, o.hint.Destination)
	}
	return s
}

func wantDestinations(t *testing.T, l *link, want ...string) {
	t.Helper()
	got := destinations(append(l.received(), l.queued()...))
	if len(got) != len(want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
}

func TestReplyToIsKeptPerRequest(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{})
	a, c := up(t, r, agentPeer(agentID)), overBroker(t, r)
	other := up(t, r, agentPeer(otherAgent))
	c.sendHint(request(t, "1"), mtp.Hint{ReplyTo: "reply/1"})
	c.sendHint(request(t, "2"), mtp.Hint{ReplyTo: "reply/2"})
	c.sendHint(request(t, "3"), mtp.Hint{ReplyTo: "usp/controller"}) // the default: not kept
	c.send(request(t, "4"))
	for _, o := range a.queued() {
		if o.hint.ReplyTo != "" || o.hint.Destination != "" {
			t.Errorf("the reply address %+v crossed to another Link", o.hint)
		}
	}
	other.send(response(t, otherAgent, "2")) // not its request
	a.send(response(t, agentID, "2"))
	a.send(errorAnswer(t, "1"))
	a.send(response(t, agentID, "1")) // answered already
	a.send(response(t, agentID, "3"))
	a.send(response(t, agentID, "4"))
	wantDestinations(t, c, "usp/controller", "reply/2", "reply/1", "usp/controller", "usp/controller", "usp/controller")
}

func TestReplyToOfATrustedBrokerIsNotLookedUp(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{TrustedBrokers: []string{"broker"}})
	a, c := up(t, r, agentPeer(agentID)), overBroker(t, r)
	c.sendHint(request(t, "1"), mtp.Hint{ReplyTo: "reply/1"})
	c.sendHint(request(t, "2"), mtp.Hint{ReplyTo: "reply/2"})
	a.send(response(t, agentID, "1")) // to the latest, whatever it answers
	wantDestinations(t, c, "reply/2")
}

func TestReplyToSurvivesTheBufferOnTheSameBindingOnly(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{})
	a, c := up(t, r, agentPeer(agentID)), overBroker(t, r)
	c.sendHint(request(t, "1"), mtp.Hint{ReplyTo: "reply/1"})
	c.sendHint(request(t, "2"), mtp.Hint{ReplyTo: "reply/2"})
	c.kill()
	a.wantAck(a.send(response(t, agentID, "1")), nil)
	c = overBroker(t, r)
	c.deliver(1)
	wantDestinations(t, c, "reply/1")
	c.kill()
	a.wantAck(a.send(response(t, agentID, "2")), nil)
	ws := controllerPeer(controllerID)
	ws.NoConnectRecords = true
	w := up(t, r, ws)
	w.deliver(1)
	wantDestinations(t, w, "") // a topic means nothing to a WebSocket
}

func TestReplyToStoreIsBounded(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{ReplyToRecords: 2})
	a, c := up(t, r, agentPeer(agentID)), overBroker(t, r)
	for i := range 3 {
		c.sendHint(request(t, strconv.Itoa(i)), mtp.Hint{ReplyTo: "reply/" + strconv.Itoa(i)})
	}
	for i := range 3 {
		a.send(response(t, agentID, strconv.Itoa(i)))
	}
	wantDestinations(t, c, "usp/controller", "reply/1", "reply/2")
}

func TestReplyToExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRouter(t, routing.Options{ReplyToTTL: time.Minute})
		a, c := up(t, r, agentPeer(agentID)), overBroker(t, r)
		c.sendHint(request(t, "1"), mtp.Hint{ReplyTo: "reply/1"})
		a.settle(0, nil)
		<-time.After(2 * time.Minute)
		a.send(response(t, agentID, "1"))
		wantDestinations(t, c, "usp/controller")
		a.kill()
		c.kill()
	})
}

func TestFirstReplyToIsTheDefaultOfALearnedAddress(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{})
	a := up(t, r, agentPeer(agentID))
	c := up(t, r, mtp.Peer{
		Kind: mtp.STOMP, Role: usp.RoleController, NoConnectRecords: true, Identity: mtp.Identity{Method: "none"},
	})
	c.sendHint(request(t, "1"), mtp.Hint{ReplyTo: "/queue/mine"})
	a.send(msg(agentID, controllerID, "notify"))
	wantDestinations(t, c, "/queue/mine")
}
