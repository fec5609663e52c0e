// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package usp_test

import (
	"bytes"
	"errors"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/usprecord"
)

const (
	agent      = usp.EndpointID("os::ACDE48-1")
	controller = usp.EndpointID("self::controller")
)

// Every builder makes the bytes that the generated Marshal makes, and a header
// that Peek finds again.
func TestBuilders(t *testing.T) {
	t.Parallel()
	rec := func(r *usprecord.Record) *usprecord.Record {
		r.ToId, r.FromId = string(controller), string(agent)
		if r.GetVersion() == "" {
			r.Version = "1.4"
		}
		return r
	}
	mqtt := func(v usprecord.MQTTConnectRecord_MQTTVersion) *usprecord.Record {
		return &usprecord.Record{RecordType: &usprecord.Record_MqttConnect{
			MqttConnect: &usprecord.MQTTConnectRecord{Version: v, SubscribedTopic: "usp/a/1"},
		}}
	}
	for name, tt := range map[string]struct {
		got  usp.Record
		want *usprecord.Record
	}{
		"no session": {usp.NewNoSession(agent, controller, "1.3", []byte("message")), &usprecord.Record{
			Version: "1.3", RecordType: &usprecord.Record_NoSessionContext{
				NoSessionContext: &usprecord.NoSessionContextRecord{Payload: []byte("message")},
			},
		}},
		"WebSocket": {usp.NewWebSocketConnect(agent, controller), &usprecord.Record{
			RecordType: &usprecord.Record_WebsocketConnect{WebsocketConnect: &usprecord.WebSocketConnectRecord{}},
		}},
		"UDS": {usp.NewUDSConnect(agent, controller), &usprecord.Record{
			RecordType: &usprecord.Record_UdsConnect{UdsConnect: &usprecord.UDSConnectRecord{}},
		}},
		"MQTT 5":     {usp.NewMQTTConnect(agent, controller, true, "usp/a/1"), mqtt(usprecord.MQTTConnectRecord_V5)},
		"MQTT 3.1.1": {usp.NewMQTTConnect(agent, controller, false, "usp/a/1"), mqtt(usprecord.MQTTConnectRecord_V3_1_1)},
		"STOMP": {usp.NewSTOMPConnect(agent, controller, "/queue/a"), &usprecord.Record{
			RecordType: &usprecord.Record_StompConnect{
				StompConnect: &usprecord.STOMPConnectRecord{SubscribedDestination: "/queue/a"},
			},
		}},
		"disconnect": {
			usp.NewDisconnect(agent, controller, "bye", usp.CodeSessionContextTerminated),
			&usprecord.Record{RecordType: &usprecord.Record_Disconnect{
				Disconnect: &usprecord.DisconnectRecord{Reason: "bye", ReasonCode: 7105},
			}},
		},
		"disconnect without a word": {usp.NewDisconnect(agent, controller, "", 0), &usprecord.Record{
			RecordType: &usprecord.Record_Disconnect{Disconnect: &usprecord.DisconnectRecord{}},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, err := proto.MarshalOptions{Deterministic: true}.Marshal(rec(tt.want))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(tt.got.Bytes(), want) {
				t.Errorf("bytes: got %x\nwant %x", tt.got.Bytes(), want)
			}
			h, err := usp.Peek(tt.got.Bytes())
			if got, want := describe(*tt.got.Header(), nil), describe(h, err); got != want {
				t.Errorf("header: got %s, want %s", got, want)
			}
		})
	}
}

func TestNewRecord(t *testing.T) {
	t.Parallel()
	connect := usp.NewWebSocketConnect(agent, controller)
	raw := connect.Bytes()
	rec, err := usp.NewRecord(raw)
	if err != nil {
		t.Fatal(err)
	}
	if rec.Len() != len(raw) || !bytes.Equal(rec.Bytes(), raw) || rec.Header().From != agent {
		t.Errorf("got %d bytes of %s", rec.Len(), rec.Header().From)
	}
	if rec, err := usp.NewRecord(raw[:len(raw)-1]); !errors.Is(err, usp.ErrMalformed) || rec.Bytes() != nil {
		t.Errorf("got %x, %v, want ErrMalformed", rec.Bytes(), err)
	}
}
