// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp_test

import (
	"net"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/stomp"
	"github.com/uspgate/uspgate/usp"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	for name, noReceipts := range map[string]bool{"Receipts": false, "NoReceipts": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mtptest.Run(t, suite(noReceipts))
		})
	}
}

func suite(noReceipts bool) mtptest.Suite {
	return mtptest.Suite{
		NewServer: func(tb testing.TB, o mtptest.Options) mtp.Transport {
			tb.Helper()
			if o.Listen == "" {
				o.Listen = "127.0.0.1:0"
			}
			s, err := stomp.NewServer(stomp.ServerOptions{
				LinkOptions: stomp.LinkOptions{
					MaxRecord: o.MaxRecord, QueueRecords: o.QueueRecords, CloseTimeout: o.CloseTimeout,
				},
				Listen: o.Listen, Role: usp.RoleAgent,
			})
			if err != nil {
				tb.Fatalf("NewServer: got %v, want nil", err)
			}
			return s
		},
		NewClient: func(tb testing.TB, addr string, o mtptest.Options) mtp.Transport {
			tb.Helper()
			c, err := stomp.NewClient(stomp.ClientOptions{
				LinkOptions: stomp.LinkOptions{
					MaxRecord: o.MaxRecord, QueueRecords: o.QueueRecords, CloseTimeout: o.CloseTimeout,
				},
				URL: "stomp://" + addr, Endpoint: o.Endpoint, Role: usp.RoleAgent, NoReceipts: noReceipts, Retry: o.Retry,
			})
			if err != nil {
				tb.Fatalf("NewClient: got %v, want nil", err)
			}
			return c
		},
		Connector: true,
		Dial: func(tb testing.TB, addr string, id usp.EndpointID) net.Conn {
			tb.Helper()
			return agentPeer(tb, addr, id).Conn
		},
		Frame: func(raw []byte) []byte { return sendFrame(raw) },
		// CR before LF, no content-length, heart-beats around it; what has no
		// length may not hold a NUL, and the suite's Records hold none.
		Fragments: func(raw []byte) []byte {
			if strings.ContainsRune(string(raw), 0) {
				return append([]byte("\n\r\n"), sendFrame(raw)...)
			}
			return append(append([]byte("\n\r\nSEND\r\ndestination:/queue/x\r\n\r\n"), raw...), "\x00\n\n"...)
		},
		Malformed: malformed(),
	}
}

// malformed is what ends a connection.
func malformed() map[string][]byte {
	many := make([]string, stomp.DefaultMaxHeaders+1)
	for i := range many {
		many[i] = "a:b"
	}
	return map[string][]byte{
		"unknown command":           []byte("HELLO\n\n\x00"),
		"lower case command":        []byte("send\n\n\x00"),
		"HTTP":                      []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"no line end":               []byte(strings.Repeat("A", 100)),
		"second STOMP":              connectFrame(agent),
		"frame of a server":         rawFrame("MESSAGE", nil, "a:b"),
		"CONNECTED":                 rawFrame("CONNECTED", nil, "version:1.2"),
		"BEGIN":                     rawFrame("BEGIN", nil, "transaction:1"),
		"COMMIT":                    rawFrame("COMMIT", nil, "transaction:1"),
		"ABORT":                     rawFrame("ABORT", nil, "transaction:1"),
		"ACK":                       rawFrame("ACK", nil, "id:1"),
		"NACK":                      rawFrame("NACK", nil, "id:1"),
		"SEND in a transaction":     rawFrame("SEND", nil, "transaction:1"),
		"header without colon":      rawFrame("SEND", nil, "destination"),
		"header without name":       rawFrame("SEND", nil, ":x"),
		"undefined escape":          rawFrame("SEND", nil, `destination:a\tb`),
		"escape cut off":            rawFrame("SEND", nil, `destination:a\`),
		"undefined escape in name":  rawFrame("SEND", nil, `d\x:a`),
		"NUL in the headers":        []byte("SEND\ndestination:\x00\n\n\x00"),
		"too many headers":          rawFrame("SEND", nil, many...),
		"long header":               rawFrame("SEND", nil, "a:"+strings.Repeat("b", stomp.DefaultMaxHeader)),
		"endless header":            []byte("SEND\na:" + strings.Repeat("b", stomp.DefaultMaxHeader)),
		"long destination":          subscribeFrame("9", strings.Repeat("d", 513)),
		"long receipt":              rawFrame("SEND", nil, "receipt:"+strings.Repeat("r", 513)),
		"long reply-to-dest":        rawFrame("SEND", nil, "reply-to-dest:"+strings.Repeat("r", 513)),
		"huge content-length":       rawFrame("SEND", nil, "content-length:999999999999"),
		"overflowing length":        rawFrame("SEND", nil, "content-length:99999999999999999999"),
		"negative content-length":   rawFrame("SEND", nil, "content-length:-1"),
		"content-length no number":  rawFrame("SEND", nil, "content-length:1a"),
		"empty content-length":      rawFrame("SEND", nil, "content-length:"),
		"content-length too small":  rawFrame("SEND", []byte("body"), "content-length:2"),
		"body of SUBSCRIBE":         rawFrame("SUBSCRIBE", []byte("body"), "id:9", "destination:/queue/x"),
		"counted body of SUBSCRIBE": rawFrame("SUBSCRIBE", []byte("body"), "id:9", "content-length:4"),
		"SUBSCRIBE without id":      rawFrame("SUBSCRIBE", nil, "destination:/queue/x"),
		"SUBSCRIBE to nothing":      rawFrame("SUBSCRIBE", nil, "id:9"),
		"SUBSCRIBE again":           subscribeFrame("0", "/queue/x"),
		"SUBSCRIBE with ack client": rawFrame("SUBSCRIBE", nil, "id:9", "destination:/queue/x", "ack:client"),
		"SUBSCRIBE to another's":    subscribeFrame("9", agentDest(mtptest.Neighbour)),
		"UNSUBSCRIBE without id":    rawFrame("UNSUBSCRIBE", nil),
	}
}
