// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package coap_test

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/dtls/v3/pkg/protocol/recordlayer"

	"github.com/uspgate/uspgate/mtp/coap"
	"github.com/uspgate/uspgate/mtp/mtptest"
)

// datagrams joins some for FuzzDatagrams.
func datagrams(all ...[]byte) []byte {
	var out []byte
	for _, b := range all {
		out = append(binary.BigEndian.AppendUint16(out, uint16(len(b))), b...)
	}
	return out
}

// FuzzDatagrams: whatever comes, the Server stays within its bounds, and still
// takes a Record.
func FuzzDatagrams(f *testing.F) {
	p := &peer{tb: f, conn: listenUDP(f)}
	post := func(more ...opt) []byte { return p.post(hello, more...).bytes() }
	f.Add(datagrams(post(), post(blockOpt(0, false, 6))))
	f.Add(datagrams(p.post(hello[:16], blockOpt(0, true, 0)).bytes(), p.post(hello[16:], blockOpt(1, false, 0)).bytes()))
	f.Add(datagrams(p.firstBlock().bytes(), p.firstBlock().bytes(), p.post(nil, blockOpt(70_000, true, 3)).bytes()))
	f.Add(datagrams([]byte{0x40, 0, 0, 1}, []byte{0x60, 0, 0, 1}, []byte{0x70, 0, 0, 1}, []byte{0x41, 0x44, 0, 1, 1}))
	f.Add(datagrams(msg{con, codeGet, 7, "t", []opt{{optPath, ".well-known"}, {optPath, "core"}}, nil}.bytes()))
	f.Add(datagrams([]byte{0x4f, 2, 0, 3}, []byte{0x40, 2, 0, 4, 0xf0}, []byte{0x40, 2, 0, 5, 0xb9, 'u'}))

	limits := coap.LinkOptions{
		MaxTransfers: 4, MaxTransfersPerPeer: 2, MaxReassembly: 64 << 10, MaxExchanges: 32, MaxExchangesPerPeer: 16,
		MaxRecord: 32 << 10, CloseTimeout: time.Millisecond,
	}
	server := newServer(f, coap.ServerOptions{LinkOptions: limits, MaxPeers: 8})
	hub := newCrossing()
	p.to = address(f, mtptest.Start(f, server, hub).Transport.Addr())
	p.want(p.post(hello), code204) // it runs
	<-hub.accepted
	from := netip.MustParseAddrPort(p.conn.LocalAddr().String())
	f.Fuzz(func(t *testing.T, data []byte) {
		for len(data) >= 2 {
			n := min(int(binary.BigEndian.Uint16(data)), len(data)-2)
			u := server.Feed(from, data[2:2+n])
			data = data[2+n:]
			if u.Held < 0 || u.Held > limits.MaxReassembly || u.Transfers > limits.MaxTransfersPerPeer ||
				u.Exchanges > limits.MaxExchangesPerPeer || u.Links > 8 {
				t.Fatalf("usage: got %+v, want it within %+v", u, limits)
			}
		}
		for drained := false; !drained; {
			select {
			case <-hub.accepted:
			default:
				drained = true
			}
		}
		server.Feed(from, post())
		select {
		case <-hub.accepted:
		case <-time.After(mtptest.Timeout):
			t.Fatal("the Server takes no Record any more")
		}
	})
}

// FuzzURI: what is taken as a reply-to is written as it is read, and names a
// host.
func FuzzURI(f *testing.F) {
	for _, s := range []string{
		"coap://127.0.0.1:5683/usp", "coaps://[fe80::1%25eth0]/a/b", "coap://host/a%2Fb", "coap://h", "coap://h:0/",
		"coap://u@h/", "coap://h/?q", "coap://h/#f", "coap:h", "http://h/", "coap://[::1]:1//", "coap://h/%zz",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once, err := coap.ParseTarget(s)
		if err != nil {
			return
		}
		if !strings.HasPrefix(once, "coap://") && !strings.HasPrefix(once, "coaps://") {
			t.Fatalf("%q: got %q, want coap or coaps", s, once)
		}
		if twice, err := coap.ParseTarget(once); err != nil || twice != once {
			t.Fatalf("%q: got %q, and then %q %v, want the same", s, once, twice, err)
		}
	})
}

// FuzzInspect: what is taken for DTLS can be taken apart as such.
func FuzzInspect(f *testing.F) {
	f.Add([]byte("\x16\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x56\x00\x01\x01"))
	f.Add([]byte("\x17\xfe\xfd\x00\x01\x00\x00\x00\x00\x00\x53\x00\x01x" +
		"\x15\xfe\xff\x00\x00\x00\x00\x00\x00\x00\x01\x00\x02\x01\x00"))
	f.Add([]byte("\x14\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x54\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if !coap.Inspect(b) {
			return
		}
		records, err := recordlayer.UnpackDatagram(b)
		if err != nil || len(records) == 0 {
			t.Fatalf("%x: got %v, want records", b, err)
		}
		for _, r := range records {
			if err := new(recordlayer.Header).Unmarshal(r); err != nil {
				t.Fatalf("%x: got %v, want a header", r, err)
			}
		}
	})
}
