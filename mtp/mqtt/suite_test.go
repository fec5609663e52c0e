// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt_test

import (
	"net"
	"testing"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mqtt"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/usp"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	for name, version := range map[string]mqtt.Version{"5": mqtt.Version5, "3.1.1": mqtt.Version311} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mtptest.Run(t, suite(version))
		})
	}
}

func suite(version mqtt.Version) mtptest.Suite {
	return mtptest.Suite{
		NewServer: func(tb testing.TB, o mtptest.Options) mtp.Transport {
			tb.Helper()
			if o.Listen == "" {
				o.Listen = "127.0.0.1:0"
			}
			s, err := mqtt.NewServer(mqtt.ServerOptions{
				Listen: o.Listen, Role: usp.RoleAgent, MaxRecord: o.MaxRecord, QueueRecords: o.QueueRecords,
				CloseTimeout: o.CloseTimeout,
			})
			if err != nil {
				tb.Fatalf("NewServer: got %v, want nil", err)
			}
			return s
		},
		NewClient: func(tb testing.TB, addr string, o mtptest.Options) mtp.Transport {
			tb.Helper()
			c, err := mqtt.NewClient(mqtt.ClientOptions{
				URL: "mqtt://" + addr, Version: version, Endpoint: o.Endpoint, Role: usp.RoleAgent,
				MaxRecord: o.MaxRecord, QueueRecords: o.QueueRecords, CloseTimeout: o.CloseTimeout, Retry: o.Retry,
			})
			if err != nil {
				tb.Fatalf("NewClient: got %v, want nil", err)
			}
			return c
		},
		Connector: true,
		Endless:   true,
		Dial: func(tb testing.TB, addr string, id usp.EndpointID) net.Conn {
			tb.Helper()
			return agentPeerQoS(tb, addr, byte(version), id, 0).Conn // it acknowledges nothing
		},
		Frame: func(raw []byte) []byte {
			return publish(byte(version), 0, controllerTopic(mtptest.Controller), raw)
		},
		Malformed: malformed(byte(version)),
	}
}

// malformed is what ends a connection.
func malformed(version byte) map[string][]byte {
	m := map[string][]byte{
		"second CONNECT":         connect(version, "again"),
		"packet type 0":          {0x00, 0},
		"packet of a server":     {packets.Suback << 4, 3, 0, 1, 0},
		"flags of SUBSCRIBE":     {0x80, 0},
		"QoS 3":                  {0x36, 0},
		"DUP with QoS 0":         {0x38, 0},
		"endless length":         {0x30, 0x80, 0x80, 0x80, 0x80, 0x01},
		"huge PUBLISH":           {0x30, 0xff, 0xff, 0xff, 0x7f},
		"huge SUBSCRIBE":         {0x82, 0x81, 0x80, 0x04},
		"PUBLISH without topic":  packet(0x30, str("")),
		"PUBLISH to a wildcard":  publish(version, 0, "usp/+", nil),
		"PUBLISH without id":     packet(0x32, str("a"), []byte{0, 0, 0}),
		"PUBLISH cut off":        packet(0x30, []byte{0, 9, 'a'}),
		"topic is not UTF-8":     publish(version, 0, "\xff\xfe", nil),
		"SUBSCRIBE to nothing":   subscribe(version, 7),
		"SUBSCRIBE without id":   subscribe(version, 0, "a"),
		"SUBSCRIBE cut off":      packet(0x82, []byte{0, 7, 0, 0, 9, 'a'}),
		"SUBSCRIBE without QoS":  packet(0x82, []byte{0, 7}, map[byte][]byte{v5: {0}}[version], str("a")),
		"UNSUBSCRIBE of nothing": packet(0xa2, []byte{0, 7}, map[byte][]byte{v5: {0}}[version]),
	}
	if version == v5 {
		m["topic alias"] = publish(v5, 0, "a", nil, []byte{0x23, 0, 1})
		m["property of another packet"] = publish(v5, 0, "a", nil, []byte{0x21, 0, 1})
		m["subscription identifier from a client"] = publish(v5, 0, "a", nil, []byte{0x0b, 1})
	}
	return m
}
