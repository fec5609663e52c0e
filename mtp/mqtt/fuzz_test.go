// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/uspgate/uspgate/mtp/mqtt"
	"github.com/uspgate/uspgate/usp"
)

// FuzzReply: what is joined is split again, as long as no topic has a literal
// %2F [R-MQTT.24, R-MQTT.25].
func FuzzReply(f *testing.F) {
	for _, s := range [][2]string{
		{"usp/v1/controller/a", "usp/v1/agent/b"},
		{"/reply-to=", "/a"},
		{"a/reply-to=b", "c%25"},
		{"", ""},
		{"a", "/reply-to=x"},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, topic, reply string) {
		joined := mqtt.JoinReply(topic, reply)
		if strings.Contains(joined[len(topic)+len("/reply-to="):], "/") {
			t.Fatalf("%q: the reply topic has a level of its own", joined)
		}
		if strings.Contains(reply, "%2F") {
			return // ambiguous by the specification
		}
		base, got, ok := mqtt.SplitReply(joined)
		if !ok || base != topic || got != reply {
			t.Fatalf("%q: got %q, %q, %v, want %q, %q", joined, base, got, ok, topic, reply)
		}
	})
}

// FuzzMayRead: no filter that an Endpoint may subscribe to reaches the topics of
// another, or what is below them; its own topics it may always read.
func FuzzMayRead(f *testing.F) {
	for _, filter := range []string{
		"usp/v1/agent/me", "usp/v1/agent/me/#", "usp/v1/agent/+", "+/+/+/+", "#", "usp/+/agent/other/#", "+/me/#",
		"+/+/+/+/reply-to=a", "usp/v1/agent/#", "usp/v1/+/me", "x-me/usp", "+/usp", "x-other/usp/#", "/usp",
	} {
		f.Add(filter, "other")
	}
	templates := []mqtt.Topics{
		mqtt.DefaultTopics(),
		{Agent: "x-{endpoint_id}/usp", Controller: "{endpoint_id}-y/usp/controller"},
		{Agent: "{endpoint_id}/agent", Controller: "{endpoint_id}/controller"},
	}
	const me = usp.EndpointID("me")
	f.Fuzz(func(t *testing.T, filter, other string) {
		if !mqtt.ValidFilter(filter) || other == "" || other == string(me) || strings.ContainsAny(other, "/+#\x00") {
			return
		}
		for _, topics := range templates {
			may := topics.MayRead(filter, me)
			for _, role := range []usp.Role{usp.RoleAgent, usp.RoleController} {
				theirs := topics.Of(usp.Address{ID: usp.EndpointID(other), Role: role})
				for _, topic := range []string{theirs, mqtt.JoinReply(theirs, "a/b"), theirs + "/a/b"} {
					if may && mqtt.Matches(filter, topic) && !own(topics, me, topic) {
						t.Fatalf("%s may read %q, which covers %q", me, filter, topic)
					}
				}
				mine := topics.Of(usp.Address{ID: me, Role: role})
				if !topics.MayRead(mine, me) || !topics.MayRead(mine+"/#", me) {
					t.Fatalf("%s may not read %q", me, mine)
				}
			}
		}
	})
}

// own reports whether topic is also one of the Endpoint's own, or below it:
// templates without a fixed first level are not disjoint.
func own(topics mqtt.Topics, id usp.EndpointID, topic string) bool {
	for _, role := range []usp.Role{usp.RoleAgent, usp.RoleController} {
		if mqtt.Matches(topics.Of(usp.Address{ID: id, Role: role})+"/#", topic) {
			return true
		}
	}
	return false
}

// FuzzSample: a sample is a topic that its filter covers.
func FuzzSample(f *testing.F) {
	for _, filter := range []string{"a", "a/#", "#", "+", "+/a/#", "/+//#", "a/+/b"} {
		f.Add(filter)
	}
	f.Fuzz(func(t *testing.T, filter string) {
		if !mqtt.ValidFilter(filter) {
			return
		}
		if topic := mqtt.Sample(filter); strings.ContainsAny(topic, "+#") || !mqtt.Matches(filter, topic) {
			t.Fatalf("sample of %q: got %q, want a topic that it covers", filter, topic)
		}
	})
}

// FuzzPublish: what is written here the library's decoder reads back.
func FuzzPublish(f *testing.F) {
	f.Add(true, true, uint16(1), "usp/v1/agent/a", "usp/v1/controller/b", []byte("record"))
	f.Add(false, false, uint16(0), "a", "", []byte{})
	f.Add(true, false, uint16(9), "a", strings.Repeat("r", 200), bytes.Repeat([]byte{1}, 20_000))
	f.Fuzz(func(t *testing.T, v5, confirmed bool, id uint16, topic, response string, payload []byte) {
		if !utf8.ValidString(topic) || !utf8.ValidString(response) || strings.ContainsRune(topic+response, 0) ||
			len(topic) > 0xffff || len(response) > 0xffff {
			return
		}
		qos, version := byte(0), byte(4)
		if confirmed {
			qos = 1
		}
		if v5 {
			version = 5
		}
		raw := mqtt.AppendPublish([]byte("before"), v5, qos, id, topic, response, payload)[len("before"):]
		if got := mqtt.PublishSize(v5, qos, topic, response, payload); got != len(raw) {
			t.Fatalf("size: got %d, want %d", got, len(raw))
		}
		pk := packets.Packet{ProtocolVersion: version}
		if err := pk.FixedHeader.Decode(raw[0]); err != nil {
			t.Fatal(err)
		}
		r := bytes.NewReader(raw[1:])
		n, _, err := packets.DecodeLength(r)
		if err != nil || n != r.Len() {
			t.Fatalf("Remaining Length: got %d, %v, want %d", n, err, r.Len())
		}
		if err := pk.PublishDecode(raw[len(raw)-n:]); err != nil {
			t.Fatal(err)
		}
		want := packets.Packet{ProtocolVersion: version, TopicName: topic, Payload: payload}
		if confirmed {
			want.PacketID = id
		}
		if v5 {
			want.Properties.ContentType, want.Properties.ResponseTopic = "usp.msg", response
		}
		if pk.TopicName != want.TopicName || pk.PacketID != want.PacketID || !bytes.Equal(pk.Payload, want.Payload) ||
			pk.FixedHeader.Qos != qos || pk.Properties.ContentType != want.Properties.ContentType ||
			pk.Properties.ResponseTopic != want.Properties.ResponseTopic {
			t.Fatalf("got %+v, want %+v", pk, want)
		}
	})
}

// FuzzPackets: whatever a peer sends, no packet is larger than it may be, and
// what is read accounts for every byte.
func FuzzPackets(f *testing.F) {
	f.Add(connect(v5, "a"), true)
	f.Add(append(publish(v5, 1, "a", []byte("b")), 0xc0, 0, 0x30, 0xff, 0x7f), true)
	f.Add([]byte{0x82, 0x80, 0x80, 0x80, 0x80, 0x01}, false)
	for _, raw := range malformed(v5) {
		f.Add(raw, true)
	}
	f.Fuzz(func(t *testing.T, stream []byte, is5 bool) {
		version, read := byte(v311), 0
		if is5 {
			version = v5
		}
		defer func() {
			// The library's decoder of SUBSCRIBE; the owner of a connection recovers.
			if r := recover(); r != nil && !strings.Contains(fmt.Sprint(r), "out of range") {
				panic(r)
			}
		}()
		err := mqtt.ReadPackets(bytes.NewReader(stream), version, 500, 100, func(first byte, size int) {
			if limit := map[bool]int{true: 500, false: 100}[first>>4 == packets.Publish]; size > limit {
				t.Fatalf("a packet of %d has passed", size)
			}
			if read += 2 + size; size > 0x7f {
				read++
			}
			if read > len(stream) { // a length may be longer than necessary, never shorter
				t.Fatalf("%d bytes have been read of %d", read, len(stream))
			}
		})
		if err == nil {
			t.Fatal("got no error at the end")
		}
	})
}

// FuzzTree: the trees of plain MQTT agree with the comparison of one filter with
// one topic [MQTT-4.7], and nothing is left in them.
func FuzzTree(f *testing.F) {
	f.Add("a/#,a/+,+/b,#,a/b,a,+,a/+/c,+/+", "a/b")
	f.Add("$SYS/#,+/x,#,$SYS/x", "$SYS/x")
	f.Add("/,/+,+/+,//,#", "/")
	f.Add("a/#,a/b/#", "a")
	f.Fuzz(func(t *testing.T, list, topic string) {
		if topic == "" || strings.ContainsAny(topic, "+#\x00") {
			return
		}
		filters := slices.DeleteFunc(strings.Split(list, ","), func(s string) bool { return !mqtt.ValidFilter(s) })
		slices.Sort(filters)
		filters = slices.Compact(filters)
		var want []string
		for _, filter := range filters {
			wild := strings.HasPrefix(filter, "+") || strings.HasPrefix(filter, "#")
			if mqtt.Matches(filter, topic) && (!wild || topic[0] != '$') {
				want = append(want, filter)
			}
		}
		got, left := mqtt.Covering(filters, topic)
		if slices.Sort(got); !slices.Equal(got, want) || left != 0 {
			t.Fatalf("%q: got %q with %d nodes left, want %q", topic, got, left, want)
		}
		for _, filter := range filters {
			got := mqtt.Retained([]string{topic, topic + "/x", "other"}, filter)
			for _, kept := range []string{topic, topic + "/x", "other"} {
				if slices.Contains(got, kept) != mqtt.Matches(filter, kept) {
					t.Fatalf("%q of %q: got %q", filter, kept, got)
				}
			}
		}
	})
}

// FuzzRecordTopic: every topic of an Endpoint, with or without something below,
// is one of Records, and no other is.
func FuzzRecordTopic(f *testing.F) {
	f.Add("os::a", "/x/y", "usp/v1/agent")
	templates := []mqtt.Topics{
		mqtt.DefaultTopics(), {Agent: "x-{endpoint_id}/usp", Controller: "c/{endpoint_id}-y"},
	}
	f.Fuzz(func(t *testing.T, id, below, other string) {
		if id == "" || strings.ContainsAny(id, "/+#\x00") || below != "" && below[0] != '/' {
			return
		}
		for _, topics := range templates {
			for _, role := range []usp.Role{usp.RoleAgent, usp.RoleController} {
				topic := topics.Of(usp.Address{ID: usp.EndpointID(id), Role: role})
				if !topics.IsRecordTopic(topic) || !topics.IsRecordTopic(topic+below) {
					t.Fatalf("%q: got no Record topic", topic+below)
				}
			}
		}
		if strings.Contains(other+"/", "//") || strings.ContainsAny(other, "+#") {
			return // nobody has an empty Endpoint ID
		}
		want := mqtt.Matches("usp/v1/agent/+/#", other) || mqtt.Matches("usp/v1/controller/+/#", other)
		if got := templates[0].IsRecordTopic(other); got != want {
			t.Fatalf("%q: got %v, want %v", other, got, want)
		}
	})
}
