// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/internal/sim/agent"
	"github.com/uspgate/uspgate/internal/sim/endpoint"
	"github.com/uspgate/uspgate/internal/sim/pipe"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// mute is a Controller that answers no Notify.
type mute struct {
	node *endpoint.Node
	mu   sync.Mutex
	seen []*uspmsg.Msg
}

func (m *mute) receive(_ *endpoint.Link, rec usp.Record, _ mtp.Hint) {
	msg := &uspmsg.Msg{}
	if rec.Header().Type != usp.RecordNoSession || proto.Unmarshal(rec.Header().Payload, msg) != nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen = append(m.seen, msg)
}

// take returns the Messages since the last time.
func (m *mute) take() []*uspmsg.Msg {
	m.mu.Lock()
	defer m.mu.Unlock()
	seen := m.seen
	m.seen = nil
	return seen
}

// send sends a Message with a body.
func (m *mute) send(t *testing.T, id string, body *uspmsg.Body) {
	t.Helper()
	payload, err := proto.Marshal(&uspmsg.Msg{Header: &uspmsg.Header{MsgId: id}, Body: body})
	if err != nil {
		t.Fatal(err)
	}
	l, hint, _ := m.node.Route(it)
	l.Send(usp.NewNoSession(me, it, "", payload), hint, nil)
	synctest.Wait()
}

// unanswered runs an Agent and a mute Controller with a Subscription to a ValueChange.
func unanswered(t *testing.T, settings map[string]string, body func(t *testing.T, a *agent.Agent, m *mute)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		x, y := pipe.New(pipe.Side{}, pipe.Side{Peer: mtp.Peer{Endpoint: me}})
		m := &mute{}
		m.node = endpoint.NewNode(endpoint.Options{ID: me, Receive: m.receive})
		a, err := agent.New(agent.Options{Endpoint: it, Transport: y})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() { _ = x.Run(ctx, m.node) })
		wg.Go(func() { _ = a.Run(ctx) })
		defer wg.Wait()
		defer stop()
		synctest.Wait()
		o := &uspmsg.Add_CreateObject{ObjPath: "Device.LocalAgent.Subscription."}
		all := map[string]string{
			"Enable": "true", "ID": "s", "NotifType": "ValueChange", "ReferenceList": "Device.WiFi.SSID.1.SSID",
			"NotifRetry": "true",
		}
		maps.Copy(all, settings)
		for name, value := range all {
			o.ParamSettings = append(o.ParamSettings, &uspmsg.Add_CreateParamSetting{Param: name, Value: value})
		}
		m.send(t, "1", &uspmsg.Body{MsgBody: &uspmsg.Body_Request{Request: &uspmsg.Request{
			ReqType: &uspmsg.Request_Add{Add: &uspmsg.Add{CreateObjs: []*uspmsg.Add_CreateObject{o}}},
		}}})
		if seen := m.take(); len(seen) != 1 || seen[0].GetBody().GetResponse().GetAddResp() == nil {
			t.Fatalf("got %v, want an AddResp", seen)
		}
		body(t, a, m)
	})
}

// pass lets time go by.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// A Notify that wants an answer comes again, with the same msg_id, between 5 and 10
// seconds later, then 10 to 20, until it has one [R-NOT.1].
func TestNotifRetry(t *testing.T) {
	t.Parallel()
	unanswered(t, nil, func(t *testing.T, a *agent.Agent, m *mute) {
		t.Helper()
		a.SetValue("Device.WiFi.SSID.1.SSID", "new")
		synctest.Wait()
		first := m.take()
		if len(first) != 1 || !first[0].GetBody().GetRequest().GetNotify().GetSendResp() {
			t.Fatalf("got %v, want one Notify with send_resp", first)
		}
		id := first[0].GetHeader().GetMsgId()
		for _, wait := range []time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second} {
			pass(wait/2 - time.Millisecond)
			early := m.take()
			pass(wait/2 + time.Second)
			late := slices.Concat(early, m.take())
			if len(late) == 0 || late[0].GetHeader().GetMsgId() != id {
				t.Errorf("within %v: got %v, want %s once more", wait, late, id)
			}
		}
		m.send(t, id, &uspmsg.Body{MsgBody: &uspmsg.Body_Response{Response: &uspmsg.Response{
			RespType: &uspmsg.Response_NotifyResp{NotifyResp: &uspmsg.NotifyResp{SubscriptionId: "s"}},
		}}})
		m.take()
		pass(time.Hour)
		if late := m.take(); len(late) != 0 || a.Ignored() != 0 {
			t.Errorf("after the answer: got %v, %d ignored, want nothing", late, a.Ignored())
		}
	})
}

// NotifExpiration ends it [R-NOT.4].
func TestNotifExpiration(t *testing.T) {
	t.Parallel()
	unanswered(t, map[string]string{"NotifExpiration": "3"}, func(t *testing.T, a *agent.Agent, m *mute) {
		t.Helper()
		a.SetValue("Device.WiFi.SSID.1.SSID", "new")
		pass(time.Hour)
		if seen := m.take(); len(seen) != 1 {
			t.Errorf("got %d Notifies, want one", len(seen))
		}
	})
}
