// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/internal/sim/endpoint"
	"github.com/uspgate/uspgate/internal/sim/pipe"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	me    usp.EndpointID = "self::controller"
	agent usp.EndpointID = "os::ACDE48-1"
	other usp.EndpointID = "os::ACDE48-2"
)

// fake is an Agent made of callbacks.
type fake struct {
	*endpoint.Node
	got chan *uspmsg.Msg
}

// serve is what the fake does with a Request; nil answers nothing.
type serve func(f *fake, l *endpoint.Link, h *usp.Header, m *uspmsg.Msg)

func newFake(s serve) *fake {
	f := &fake{got: make(chan *uspmsg.Msg, 100)}
	f.Node = endpoint.NewNode(endpoint.Options{
		ID: agent,
		Receive: func(l *endpoint.Link, rec usp.Record, _ mtp.Hint) {
			var m uspmsg.Msg
			if err := proto.Unmarshal(rec.Header().Payload, &m); err != nil {
				panic(err)
			}
			f.got <- &m
			if s != nil {
				s(f, l, rec.Header(), &m)
			}
		},
	})
	return f
}

// send sends a Message from an Endpoint, which need not be the fake's own.
func send(l *endpoint.Link, from, to usp.EndpointID, m *uspmsg.Msg) {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	l.Send(usp.NewNoSession(from, to, "", b), mtp.Hint{}, nil)
}

func getResp(id, value string) *uspmsg.Msg {
	return &uspmsg.Msg{
		Header: &uspmsg.Header{MsgId: id, MsgType: uspmsg.Header_GET_RESP},
		Body: &uspmsg.Body{MsgBody: &uspmsg.Body_Response{Response: &uspmsg.Response{
			RespType: &uspmsg.Response_GetResp{GetResp: &uspmsg.GetResp{
				ReqPathResults: []*uspmsg.GetResp_RequestedPathResult{{
					RequestedPath: "Device.X", ResolvedPathResults: []*uspmsg.GetResp_ResolvedPathResult{{
						ResolvedPath: "Device.", ResultParams: map[string]string{"X": value},
					}},
				}},
			}},
		}}},
	}
}

func notification(id string, n int, sendResp bool) *uspmsg.Msg {
	return &uspmsg.Msg{
		Header: &uspmsg.Header{MsgId: id, MsgType: uspmsg.Header_NOTIFY},
		Body: &uspmsg.Body{MsgBody: &uspmsg.Body_Request{Request: &uspmsg.Request{
			ReqType: &uspmsg.Request_Notify{Notify: &uspmsg.Notify{
				SubscriptionId: "sub", SendResp: sendResp,
				Notification: &uspmsg.Notify_ValueChange_{
					ValueChange: &uspmsg.Notify_ValueChange{ParamPath: "Device.X", ParamValue: fmt.Sprint(n)},
				},
			}},
		}}},
	}
}

// answering answers every Get with the path that was asked for.
func answering(f *fake, l *endpoint.Link, h *usp.Header, m *uspmsg.Msg) {
	if g := m.GetBody().GetRequest().GetGet(); g != nil {
		send(l, agent, h.From, getResp(m.GetHeader().GetMsgId(), strings.Join(g.GetParamPaths(), " ")))
	}
}

// env is what a test in the bubble has.
type env struct {
	*testing.T
	c *controller.Controller
	f *fake
}

// test runs a Controller and a fake at the two ends of a pipe, in a bubble.
func test(t *testing.T, o controller.Options, s serve, body func(t *env)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		x, y := pipe.New(pipe.Side{Peer: mtp.Peer{Kind: mtp.Virtual}}, pipe.Side{Queue: 4})
		f := newFake(s)
		o.Endpoint, o.Transport = me, x
		c, err := controller.New(o)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := c.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if err := y.Run(ctx, f); err != nil {
				t.Error(err)
			}
		})
		defer wg.Wait()
		defer stop()
		body(&env{t, c, f})
	})
}

// link returns the fake's only Link.
func (f *fake) link() *endpoint.Link {
	synctest.Wait()
	return f.Links()[0]
}

func TestGet(t *testing.T) {
	t.Parallel()
	test(t, controller.Options{}, answering, func(t *env) {
		c := t.c
		r, err := c.Get(t.Context(), agent, 0, "Device.X")
		if err != nil {
			t.Fatal(err)
		}
		if got := controller.Params(r)["Device.X"]; got != "Device.X" {
			t.Errorf("got %q, want Device.X", got)
		}
	})
}

// Answers find their Requests however many are under way and in which order.
func TestConcurrentRequests(t *testing.T) {
	t.Parallel()
	const n = 50
	var mu sync.Mutex
	var late []func()
	backwards := func(f *fake, l *endpoint.Link, h *usp.Header, m *uspmsg.Msg) {
		mu.Lock()
		defer mu.Unlock()
		header := *h
		if late = append(late, func() { answering(f, l, &header, m) }); len(late) == n {
			for i := range late {
				late[n-1-i]()
			}
		}
	}
	test(t, controller.Options{}, backwards, func(t *env) {
		c, f := t.c, t.f
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				path := fmt.Sprintf("Device.P%d", i)
				r, err := c.Get(t.Context(), agent, 0, path)
				if got := controller.Params(r)["Device.X"]; err != nil || got != path {
					t.Errorf("got %q, %v, want %s", got, err, path)
				}
			})
		}
		wg.Wait()
		ids := map[string]bool{}
		for range n {
			ids[(<-f.got).GetHeader().GetMsgId()] = true
		}
		if len(ids) != n {
			t.Errorf("msg_ids: got %d different ones, want %d", len(ids), n)
		}
	})
}

func TestErrorMessage(t *testing.T) {
	t.Parallel()
	test(t, controller.Options{}, func(_ *fake, l *endpoint.Link, h *usp.Header, m *uspmsg.Msg) {
		send(l, agent, h.From, &uspmsg.Msg{
			Header: &uspmsg.Header{MsgId: m.GetHeader().GetMsgId()},
			Body: &uspmsg.Body{MsgBody: &uspmsg.Body_Error{Error: &uspmsg.Error{
				ErrCode: 7004, ErrMsg: "no", ParamErrs: []*uspmsg.Error_ParamError{{
					ParamPath: "Device.X", ErrCode: 7012, ErrMsg: "bad",
				}},
			}}},
		})
	}, func(t *env) {
		c := t.c
		_, err := c.Set(t.Context(), agent, false, controller.Update("Device.", map[string]string{"X": "1"}))
		var e *usp.Error
		if !errors.As(err, &e) || e.Code != usp.CodeInvalidArguments {
			t.Fatalf("got %v, want 7004", err)
		}
		if got, want := err.Error(), "7004 no; Device.X: 7012 bad"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func TestNoAnswer(t *testing.T) {
	t.Parallel()
	test(t, controller.Options{}, nil, func(t *env) {
		c, f := t.c, t.f
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := c.Get(ctx, agent, 0, "Device."); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v, want the deadline", err)
		}
		m := <-f.got
		send(f.link(), agent, me, getResp(m.GetHeader().GetMsgId(), "late"))
		synctest.Wait()
		if got := c.Ignored(); got != 1 {
			t.Errorf("ignored: got %d, want the late answer", got)
		}
	})
}

// Only whom a Request was sent to can answer it [R-MSG.9].
func TestAnswerOfSomebodyElse(t *testing.T) {
	t.Parallel()
	test(t, controller.Options{}, func(_ *fake, l *endpoint.Link, h *usp.Header, m *uspmsg.Msg) {
		id := m.GetHeader().GetMsgId()
		send(l, other, h.From, getResp(id, "forged"))
		send(l, agent, h.From, getResp(id+"x", "of another Request"))
		send(l, agent, h.From, getResp(id, "true"))
		send(l, agent, h.From, getResp(id, "twice"))
	}, func(t *env) {
		c := t.c
		r, err := c.Get(t.Context(), agent, 0, "Device.X")
		if got := controller.Params(r)["Device.X"]; err != nil || got != "true" {
			t.Errorf("got %q, %v, want true", got, err)
		}
		synctest.Wait()
		if got := c.Ignored(); got != 3 {
			t.Errorf("ignored: got %d, want 3", got)
		}
	})
}

func TestNotify(t *testing.T) {
	t.Parallel()
	test(t, controller.Options{}, nil, func(t *env) {
		c, f := t.c, t.f
		send(f.link(), agent, me, notification("n1", 1, false))
		send(f.link(), agent, me, notification("n2", 2, true))
		for i := range 2 {
			n := <-c.Notifies()
			if n.From != agent || n.MsgID != fmt.Sprintf("n%d", i+1) || n.GetValueChange().GetParamPath() != "Device.X" {
				t.Errorf("got %+v", n)
			}
		}
		m := <-f.got // [R-NOT.8, R-NOT.10]: one answer, to the second
		r := m.GetBody().GetResponse().GetNotifyResp()
		if m.GetHeader().GetMsgId() != "n2" || r.GetSubscriptionId() != "sub" ||
			m.GetHeader().GetMsgType() != uspmsg.Header_NOTIFY_RESP {
			t.Errorf("got %v, want the NotifyResp to n2", m)
		}
		synctest.Wait()
		if len(f.got) != 0 {
			t.Errorf("got %v too", <-f.got)
		}
	})
}

// What nobody reads is dropped, counted, and not answered.
func TestNotifiesAreBounded(t *testing.T) {
	t.Parallel()
	test(t, controller.Options{MaxNotifies: 2}, nil, func(t *env) {
		c, f := t.c, t.f
		for i := range 5 {
			send(f.link(), agent, me, notification(fmt.Sprintf("n%d", i), i, true))
		}
		synctest.Wait()
		if got := c.DroppedNotifies(); got != 3 {
			t.Errorf("dropped: got %d, want 3", got)
		}
		if got := len(f.got); got != 2 {
			t.Errorf("answers: got %d, want 2", got)
		}
	})
}

func TestPendingIsBounded(t *testing.T) {
	t.Parallel()
	test(t, controller.Options{MaxPending: 1}, nil, func(t *env) {
		c, f := t.c, t.f
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := c.Get(ctx, agent, 0, "Device."); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want canceled", err)
			}
		})
		<-f.got
		if _, err := c.Get(ctx, agent, 0, "Device."); !errors.Is(err, mtp.ErrBusy) {
			t.Errorf("got %v, want ErrBusy", err)
		}
		cancel()
		wg.Wait()
	})
}

// More Records than the carrier takes at once wait in the Controller, in order.
func TestCarrierIsFull(t *testing.T) {
	t.Parallel()
	const n = 200
	test(t, controller.Options{}, answering, func(t *env) {
		c, f := t.c, t.f
		l := f.link() // its carrier takes 4 Records at once
		for i := range n {
			send(l, agent, me, notification(fmt.Sprint(i), i, false))
		}
		for i := range n {
			if got := (<-c.Notifies()).GetValueChange().GetParamValue(); got != fmt.Sprint(i) {
				t.Fatalf("got %s, want %d", got, i)
			}
		}
	})
}

func TestConnectAndForeignRecords(t *testing.T) {
	t.Parallel()
	test(t, controller.Options{}, nil, func(t *env) {
		c, f := t.c, t.f
		l := f.link()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Await(ctx, agent); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Await before the Connect Record: got %v", err)
		}
		for _, rec := range []usp.Record{
			usp.NewMQTTConnect(agent, me, true, "usp/agent/1"),
			usp.NewDisconnect(agent, me, "bye", usp.CodeSessionContextTerminated),
			usp.NewWebSocketConnect(agent, other),           // not for us: ignored
			usp.NewNoSession(agent, other, "", []byte("x")), // ignored
			usp.NewNoSession(agent, me, "", []byte{0xff}),   // ignored
			usp.NewNoSession(agent, me, "", nil),            // an answer to nothing: ignored
		} {
			l.Send(rec, mtp.Hint{}, nil)
		}
		if err := c.Await(t.Context(), agent); err != nil {
			t.Errorf("Await: %v", err)
		}
		synctest.Wait()
		if got := c.Ignored(); got != 4 {
			t.Errorf("ignored: got %d, want 4", got)
		}
	})
}

// A Request that only Agents understand is refused [R-MSG.1].
func TestRequestToController(t *testing.T) {
	t.Parallel()
	test(t, controller.Options{}, nil, func(t *env) {
		f := t.f
		send(f.link(), agent, me, &uspmsg.Msg{
			Header: &uspmsg.Header{MsgId: "r"},
			Body: &uspmsg.Body{MsgBody: &uspmsg.Body_Request{Request: &uspmsg.Request{
				ReqType: &uspmsg.Request_Register{Register: &uspmsg.Register{}},
			}}},
		})
		m := <-f.got
		if m.GetHeader().GetMsgId() != "r" || m.GetBody().GetError().GetErrCode() != 7001 {
			t.Errorf("got %v, want Error 7001", m)
		}
	})
}

// Do waits for a Link, and fails when the Controller has ended.
func TestLinkComesAndGoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		x, y := pipe.New(pipe.Side{}, pipe.Side{})
		c, err := controller.New(controller.Options{Endpoint: me, Transport: x, MsgIDPrefix: "m"})
		if err != nil {
			t.Fatal(err)
		}
		f := newFake(nil)
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		results := make(chan error, 2)
		for range 2 {
			wg.Go(func() {
				_, err := c.Get(t.Context(), agent, 0, "Device.")
				results <- err
			})
		}
		synctest.Wait()
		wg.Go(func() { _ = c.Run(ctx) })
		wg.Go(func() { _ = y.Run(ctx, f) })
		for range 2 {
			if id := (<-f.got).GetHeader().GetMsgId(); id != "m1" && id != "m2" {
				t.Errorf("msg_id: got %s, want m1 or m2", id)
			}
		}
		stop()
		for range 2 {
			if err := <-results; !errors.Is(err, controller.ErrClosed) {
				t.Errorf("got %v, want ErrClosed", err)
			}
		}
		wg.Wait()
		if _, err := c.Send(t.Context(), agent, &uspmsg.Request{}); !errors.Is(err, controller.ErrClosed) {
			t.Errorf("Send after the end: got %v, want ErrClosed", err)
		}
	})
}

func TestNewChecksOptions(t *testing.T) {
	t.Parallel()
	x, _ := pipe.New(pipe.Side{}, pipe.Side{})
	for _, o := range []controller.Options{{Transport: x}, {Endpoint: me}} {
		if _, err := controller.New(o); err == nil {
			t.Errorf("New(%+v): got no error", o)
		}
	}
}
