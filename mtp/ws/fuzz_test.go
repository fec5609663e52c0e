// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/usp"
)

// FuzzQueryEndpoint_R_WS_10c: agrees with net/url wherever that has an opinion,
// and gives back what WithEndpoint has put in.
func FuzzQueryEndpoint_R_WS_10c(f *testing.F) {
	for _, s := range []string{
		"", "eid=", "eid=doc::agent", "eid=doc%3A%3Aagent%2521", "a=b&eid=x&c", "eid=a&eid=b",
		"eid=%", "eid=a+b", "eid=a;b", "&&eid", "EID=x",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, query string) {
		got, err := ws.QueryEndpoint(query)
		if err != nil {
			if got != "" {
				t.Fatalf("%q: got %q beside %v, want nothing", query, got, err)
			}
			return
		}
		if strings.ContainsAny(query, "+;") {
			return // net/url reads these as forms do, a URI does not
		}
		values, err := url.ParseQuery(query)
		if err == nil && got != "" && usp.EndpointID(values.Get("eid")) != got && values.Get("eid") != "" {
			t.Fatalf("%q: got %q, want %q", query, got, values.Get("eid"))
		}
		again, err := url.Parse(ws.WithEndpoint(url.URL{Scheme: "ws", Host: "h", Path: "/usp"}, got))
		if err != nil {
			t.Fatalf("%q: its URL does not parse: %v", got, err)
		}
		if back, err := ws.QueryEndpoint(again.RawQuery); err != nil || back != got {
			t.Fatalf("%q through %s: got %q %v, want the same", got, again, back, err)
		}
	})
}

// FuzzExtensionEndpoint_R_WS_10a: what is found survives being written again,
// alone and behind other extensions.
func FuzzExtensionEndpoint_R_WS_10a(f *testing.F) {
	for _, s := range []string{
		"", "bbf-usp-protocol", `bbf-usp-protocol; eid="doc::agent"`, "bbf-usp-protocol;eid=doc::agent",
		`BBF-USP-Protocol ; x ; EID = "a\"b"`, `permessage-deflate; a="b,c;d", bbf-usp-protocol; eid=x`,
		`bbf-usp-protocol; eid="`, `bbf-usp-protocol; eid="\`, `bbf-usp-protocol; eid=a, bbf-usp-protocol; eid=b`, `,;,="`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		got, present, err := ws.ExtensionEndpoint([]string{value})
		if err != nil || got == "" {
			if got != "" {
				t.Fatalf("%q: got %q beside %v, want nothing", value, got, err)
			}
			return
		}
		if !present {
			t.Fatalf("%q: got %q without the extension", value, got)
		}
		if id, err := ws.Claimed(string(got)); err != nil || id != got {
			t.Fatalf("%q: got %q, which is no Endpoint ID: %v", value, got, err)
		}
		for _, prefix := range []string{"", `other; x="a,b;c", `, ",,"} {
			back, present, err := ws.ExtensionEndpoint([]string{prefix + ws.ExtensionValue(got)})
			if err != nil || !present || back != got {
				t.Fatalf("%q: got %q %v %v, want the same", prefix+ws.ExtensionValue(got), back, present, err)
			}
		}
	})
}

// FuzzMask [RFC 6455 5.3]: against the definition, cut anywhere.
func FuzzMask(f *testing.F) {
	f.Add(uint32(0xd4c3b2a1), []byte("Hello, World"), 5)
	f.Fuzz(func(t *testing.T, key uint32, data []byte, cut int) {
		cut = max(0, min(cut, len(data)))
		octets := []byte{byte(key), byte(key >> 8), byte(key >> 16), byte(key >> 24)}
		want := make([]byte, len(data))
		for i := range data {
			want[i] = data[i] ^ octets[i%4]
		}
		got := append([]byte{}, data...)
		ws.Mask(key, got, cut)
		if string(got) != string(want) {
			t.Fatalf("mask %08x of %q cut at %d: got %q, want %q", key, data, cut, got, want)
		}
	})
}
