// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package kill_test

import (
	"cmp"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// asker is a Controller on MQTT 5 that writes: one request after the other. What
// has no PUBACK when the connection ends it writes again, with the same msg_id;
// what has one it never repeats.
type asker struct {
	w        *world
	self, to usp.EndpointID
}

// set changes ssid, starts the gateway again when it has been killed, and
// returns the code of the answer, 0 for a success.
func (a *asker) set(value string, killed <-chan struct{}) usp.Code {
	a.w.t.Helper()
	rec := a.request(value)
	acked, deadline := false, time.Now().Add(harness.Timeout)
	for {
		if time.Now().After(deadline) {
			a.w.t.Fatalf("%s: no answer, acknowledged %v", value, acked)
		}
		select {
		case <-killed:
			a.w.Start()
			killed = nil
		default:
		}
		c, err := dialMQTT(a.w.t.Context(), a.w.mqttNorth, true, a.self, "usp/v1/controller/"+string(a.self))
		if err != nil {
			<-time.After(dialPause)
			continue
		}
		answer := a.exchange(c, &rec, &acked, value, deadline)
		_ = c.Close() // or the gateway has
		if answer != nil {
			if e := answer.GetBody().GetError(); e != nil {
				a.w.t.Logf("%s: error %d %s", value, e.GetErrCode(), e.GetErrMsg())
			}
			if killed != nil {
				<-killed
				a.w.Start()
			}
			return code(answer)
		}
	}
}

func (a *asker) request(value string) usp.Record {
	msg := &uspmsg.Msg{
		Header: &uspmsg.Header{MsgId: value, MsgType: uspmsg.Header_SET},
		Body: &uspmsg.Body{MsgBody: &uspmsg.Body_Request{Request: &uspmsg.Request{ReqType: &uspmsg.Request_Set{
			Set: &uspmsg.Set{UpdateObjs: []*uspmsg.Set_UpdateObject{{
				ObjPath:       "Device.WiFi.SSID.1.",
				ParamSettings: []*uspmsg.Set_UpdateParamSetting{{Param: "SSID", Value: value, Required: true}},
			}}},
		}}}},
	}
	b, err := proto.Marshal(msg)
	if err != nil {
		a.w.t.Fatal(err)
	}
	return usp.NewNoSession(a.self, a.to, "", b)
}

// exchange writes the request unless that has been acknowledged, and reads until
// the answer is there or the connection ends.
func (a *asker) exchange(c *mqttConn, rec *usp.Record, acked *bool, id string, deadline time.Time) *uspmsg.Msg {
	_ = c.SetDeadline(deadline) // if it fails, so will what follows
	if !*acked && c.publish("usp/v1/agent/"+string(a.to), 2, false, rec.Bytes()) != nil {
		return nil
	}
	for {
		kind, body, err := c.read()
		if err != nil {
			return nil
		}
		if kind == mqttPuback {
			_, reason := puback(body)
			*acked = reason == 0
			if !*acked { // nobody knows the Agent yet, for example
				<-time.After(dialPause)
				return nil
			}
		}
		if kind&0xf0 != mqttPublish {
			continue
		}
		packet, raw, err := c.record(kind, body)
		if err != nil || c.write(mqttPuback, []byte{byte(packet >> 8), byte(packet)}) != nil {
			return nil
		}
		var msg uspmsg.Msg
		if r, err := usp.NewRecord(raw); err != nil || proto.Unmarshal(r.Header().Payload, &msg) != nil {
			continue // a Connect Record
		}
		if msg.GetHeader().GetMsgId() == id && msg.GetBody().GetRequest() == nil {
			return &msg
		}
	}
}

// code is that of an Error, or of what has failed.
func code(msg *uspmsg.Msg) usp.Code {
	c := msg.GetBody().GetError().GetErrCode()
	for _, r := range msg.GetBody().GetResponse().GetSetResp().GetUpdatedObjResults() {
		c = cmp.Or(c, r.GetOperStatus().GetOperFailure().GetErrCode())
	}
	return usp.Code(c)
}
