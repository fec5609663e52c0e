// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
	"github.com/uspgate/uspgate/usp/usprecord"
)

func TestEndpointIDFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		id   cwmp.DeviceID
		want usp.EndpointID
	}{
		{cwmp.DeviceID{OUI: "00D09E", ProductClass: "DSL100", SerialNumber: "1"}, "ops::00D09E-DSL100-1"},
		{cwmp.DeviceID{OUI: "00d09e", ProductClass: " DSL100 ", SerialNumber: "1"}, "ops::00D09E-DSL100-1"},
		{cwmp.DeviceID{OUI: "00D09E", SerialNumber: "1"}, "os::00D09E-1"},
		{cwmp.DeviceID{OUI: "00D09E", ProductClass: "A B/C", SerialNumber: "1"}, "ops::00D09E-A%20B%2FC-1"},
		{
			cwmp.DeviceID{OUI: "00D09E", ProductClass: "x", SerialNumber: strings.Repeat("9", 42)},
			"uuid::d136a8b7-e03f-52e6-8bd5-3f4d23c54639",
		},
		{cwmp.DeviceID{OUI: "00D09E", SerialNumber: ""}, "uuid::327621c7-ef3c-5172-969d-b85311f1ea63"},
		{cwmp.DeviceID{OUI: "NOTHEX", SerialNumber: "1"}, "uuid::c5dc8bcf-c067-55f9-b78c-181f50c80e38"},
	} {
		got := agent.EndpointIDFor(c.id)
		if got != c.want {
			t.Errorf("EndpointIDFor(%+v): got %s, want %s", c.id, got, c.want)
		}
		if _, err := usp.ParseEndpointID(string(got)); err != nil {
			t.Errorf("EndpointIDFor(%+v): got no Endpoint ID: %v", c.id, err)
		}
	}
}

func TestAttachKeepsTheAgent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181")
		defer r.stop()
		other := newCPE(t, "tr181")
		if got := r.attach(other); got != r.agent {
			t.Errorf("got another Agent for the same identity")
		}
		other.id.SerialNumber = "2"
		if got := r.attach(other); got == r.agent || len(r.host.Agents()) != 2 {
			t.Errorf("got %d Agents, want 2", len(r.host.Agents()))
		}
	})
}

func get(id string, paths ...string) *uspmsg.Msg {
	return &uspmsg.Msg{
		Header: &uspmsg.Header{MsgId: id, MsgType: uspmsg.Header_GET},
		Body: &uspmsg.Body{MsgBody: &uspmsg.Body_Request{Request: &uspmsg.Request{
			ReqType: &uspmsg.Request_Get{Get: &uspmsg.Get{ParamPaths: paths}},
		}}},
	}
}

func encode(t *testing.T, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDeliver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181", "deadline=10s")
		payload := encode(t, get("m", "Device.LocalAgent.EndpointID"))
		err := r.host.Deliver(usp.NewNoSession("self::ctl", "os::none", "", payload), nil)
		if !errors.Is(err, agent.ErrUnknownAgent) {
			t.Errorf("got %v for a Record to nobody, want ErrUnknownAgent", err)
		}
		var outcomes []error
		done := func(err error) { outcomes = append(outcomes, err) }
		r.deliver("self::ctl", get("m"), done)
		synctest.Wait()
		if len(outcomes) != 1 || outcomes[0] != nil {
			t.Errorf("got outcomes %v, want one nil", outcomes)
		}
		// What waits for the CPE is answered when the Host ends.
		r.cpe.turn(true)
		r.deliver("self::ctl", get("n", "Device.WiFi."), done)
		synctest.Wait()
		if len(outcomes) != 2 {
			t.Errorf("got %d outcomes while the CPE sleeps, want 2: a read has arrived with its acceptance", len(outcomes))
		}
		r.stop()
		if len(outcomes) != 2 || len(r.sent) != 2 {
			t.Errorf("got %d outcomes and %d answers, want 2 and 2", len(outcomes), len(r.sent))
		}
		err = r.host.Deliver(usp.NewNoSession("self::ctl", r.agent.EndpointID(), "", payload), nil)
		if !errors.Is(err, agent.ErrClosed) {
			t.Errorf("got %v after Run, want ErrClosed", err)
		}
	})
}

// A session context is refused with a Disconnect Record [R-E2E.6a]; a Message
// that claims to be encrypted without one, with Error 7102.
func TestRecordsThatAreRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181", "sessions=Forbid")
		defer r.stop()
		to := string(r.agent.EndpointID())
		send := func(rec *usprecord.Record) {
			rec.Version, rec.ToId, rec.FromId = "1.3", to, "self::ctl"
			parsed, err := usp.NewRecord(encode(t, rec))
			if err != nil {
				t.Fatal(err)
			}
			if err := r.host.Deliver(parsed, nil); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		send(&usprecord.Record{RecordType: &usprecord.Record_SessionContext{
			SessionContext: &usprecord.SessionContextRecord{SessionId: 7, SequenceId: 1, ExpectedId: 1},
		}})
		got := &usprecord.Record{}
		if len(r.records) != 1 {
			t.Fatalf("got %d Records, want 1", len(r.records))
		}
		if err := proto.Unmarshal(r.records[0].Bytes(), got); err != nil {
			t.Fatal(err)
		}
		if code := got.GetDisconnect().GetReasonCode(); code != 7106 {
			t.Errorf("got reason %d, want 7106", code)
		}
		send(&usprecord.Record{
			PayloadSecurity: usprecord.Record_TLS12,
			RecordType: &usprecord.Record_NoSessionContext{
				NoSessionContext: &usprecord.NoSessionContextRecord{Payload: encode(t, get("m", "Device."))},
			},
		})
		if len(r.sent) != 1 || r.sent[0].GetBody().GetError().GetErrCode() != 7102 {
			t.Errorf("got %v, want Error 7102", r.sent)
		}
		// Neither a Message without msg_id nor a Connect Record is answered [R-MTP.5].
		send(&usprecord.Record{RecordType: &usprecord.Record_WebsocketConnect{
			WebsocketConnect: &usprecord.WebSocketConnectRecord{},
		}})
		send(&usprecord.Record{RecordType: &usprecord.Record_NoSessionContext{
			NoSessionContext: &usprecord.NoSessionContextRecord{Payload: encode(t, get("", "Device."))},
		}})
		send(&usprecord.Record{RecordType: &usprecord.Record_NoSessionContext{
			NoSessionContext: &usprecord.NoSessionContextRecord{Payload: []byte{0xff}},
		}})
		// Two bodies, of which the decoder would take the last [R-ENC.5].
		two := append(encode(t, get("two", "Device.LocalAgent.")), encode(t, get("two", "Device.DeviceInfo."))...)
		send(&usprecord.Record{RecordType: &usprecord.Record_NoSessionContext{
			NoSessionContext: &usprecord.NoSessionContextRecord{Payload: two},
		}})
		if len(r.sent) != 2 || r.sent[1].GetBody().GetError().GetErrCode() != 7004 {
			t.Errorf("got %v, want Error 7004 for two bodies and nothing else", r.sent[1:])
		}
		// Two headers, of which the decoder would make one [R-MSG.6].
		second := encode(t, &uspmsg.Msg{Header: &uspmsg.Header{MsgId: "second", MsgType: uspmsg.Header_GET}})
		send(&usprecord.Record{RecordType: &usprecord.Record_NoSessionContext{
			NoSessionContext: &usprecord.NoSessionContextRecord{
				Payload: append(encode(t, get("first", "Device.LocalAgent.")), second...),
			},
		}})
		if len(r.sent) != 3 || r.sent[2].GetBody().GetError().GetErrCode() != 7004 {
			t.Errorf("got %v, want Error 7004 for two headers", r.sent[2:])
		}
	})
}

func TestRecordVersion(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ peer, want string }{
		{"1.0", "1.0"}, {"1.3", "1.3"}, {"1.4", "1.4"}, {"1.5", "1.4"}, {"2.0", "1.4"}, {"", "1.4"}, {"x", "1.4"},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, "tr181")
			defer r.stop()
			raw := encode(t, &usprecord.Record{
				Version: c.peer, ToId: string(r.agent.EndpointID()), FromId: "self::ctl",
				RecordType: &usprecord.Record_NoSessionContext{NoSessionContext: &usprecord.NoSessionContextRecord{
					Payload: encode(t, get("m", "Device.LocalAgent.EndpointID")),
				}},
			})
			rec, err := usp.NewRecord(raw)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.host.Deliver(rec, nil); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if len(r.records) != 1 || r.records[0].Header().Version != c.want {
				t.Errorf("peer speaks %q: got %d Records, version %q, want %q", c.peer, len(r.records),
					r.records[0].Header().Version, c.want)
			}
		})
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181")
		r.stop()
		reg := prometheus.NewRegistry()
		r.opts.Metrics = reg
		r.start()
		defer r.stop()
		r.inform(events("1_BOOT"))
		synctest.Wait()
		r.send("self::ctl", "", []string{"Get", "Device.Nonsense."})
		r.send("self::ctl", "", []string{"Delete", "whole", "Device.Nonsense.1."})
		r.send("self::ctl", "", []string{"Register"})
		synctest.Wait()
		want := `
# HELP uspgate_translate_total USP requests answered by Virtual Agents.
# TYPE uspgate_translate_total counter
uspgate_translate_total{msg_type="delete",result="error"} 1
uspgate_translate_total{msg_type="get",result="ok"} 1
uspgate_translate_total{msg_type="other",result="error"} 1
# HELP uspgate_unmapped_total Requested paths that the data model of the CPE does not have.
# TYPE uspgate_unmapped_total counter
uspgate_unmapped_total 2
`
		err := testutil.GatherAndCompare(reg, strings.NewReader(want), "uspgate_translate_total", "uspgate_unmapped_total")
		if err != nil {
			t.Error(err)
		}
		if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
			t.Errorf("got %v, %v from the linter of metrics", problems, err)
		}
		if _, err := agent.NewHost(r.opts); err == nil {
			t.Error("got no error for metrics that are registered already")
		}
	})
}

// While a Host runs and nothing is to be done, an Agent costs no goroutine: Run
// returns although Agents wait for timers.
func TestRunEndsWithTimersPending(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181")
		r.send("self::ctl", "", split("Add whole Device.LocalAgent.Subscription. NotifType!=Event "+
			"ReferenceList!=Device.LocalAgent.Periodic! Enable!=true NotifRetry!=true TimeToLive=100000"))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		r.stop()
		if ctx.Err() != nil {
			t.Error("got a Run that waits for its timers")
		}
	})
}

// The callback of a Record may use the Agent: it is not called under a lock. A
// request that writes is settled once it is in the journal, one that is in hand
// already at once [R-MSG.4].
func TestDoneMayUseTheAgent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181", "deadline=10s")
		defer r.stop()
		r.cpe.turn(true)
		var settled atomic.Int32
		done := func(err error) {
			if r.agent.State() != nil && err == nil {
				settled.Add(1)
			}
		}
		set := &uspmsg.Msg{
			Header: &uspmsg.Header{MsgId: "m", MsgType: uspmsg.Header_SET},
			Body: &uspmsg.Body{MsgBody: &uspmsg.Body_Request{Request: &uspmsg.Request{
				ReqType: &uspmsg.Request_Set{Set: &uspmsg.Set{UpdateObjs: []*uspmsg.Set_UpdateObject{{
					ObjPath:       "Device.WiFi.SSID.1.",
					ParamSettings: []*uspmsg.Set_UpdateParamSetting{{Param: "SSID", Value: "x", Required: true}},
				}}}},
			}}},
		}
		r.deliver("self::ctl", set, done)
		synctest.Wait()
		if n := settled.Load(); n != 1 {
			t.Errorf("got %d settled while the CPE is waited for, want 1, which is journalled", n)
		}
		r.deliver("self::ctl", set, done)
		if n := settled.Load(); n != 2 {
			t.Errorf("got %d settled with the repeated one, want 2", n)
		}
		<-time.After(11 * time.Second)
		synctest.Wait()
		if n := settled.Load(); n != 2 || len(r.sent) != 1 {
			t.Errorf("got %d settled and %d answers, want 2 and 1", n, len(r.sent))
		}
	})
}

// A command that was canceled leaves no timer behind, also after a restart
// [R-OPR.3].
func TestCancelStopsTheTimer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181")
		defer func() { r.stop() }()
		request := func(line string) {
			r.send("self::ctl", "", split(line))
			synctest.Wait()
		}
		<-time.After(time.Second) // it is saved
		before := r.host.Timers()
		request("Operate Device.ScheduleTimer() key=a DelaySeconds=4000000000")
		request("Operate Device.ScheduleTimer() key=b DelaySeconds=4000000000")
		request("Operate Device.LocalAgent.Request.1.Cancel()")
		<-time.After(time.Second) // it is saved
		if n := r.host.Timers() - before; n != 1 {
			t.Errorf("got %d timers after one of two was canceled, want 1", n)
		}
		r.restart()
		request("Operate Device.LocalAgent.Request.2.Cancel()")
		<-time.After(time.Second)
		if n := r.host.Timers() - before; n != 0 {
			t.Errorf("got %d timers after the last one was canceled, want 0", n)
		}
	})
}
