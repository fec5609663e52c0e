// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe_test

import (
	"net"
	"net/netip"
	"strconv"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/connreq/stun"
	"github.com/uspgate/uspgate/cwmp/connreq/udp"
	"github.com/uspgate/uspgate/internal/sim/cpe"
)

// seen is the address under which the STUN server of the tests sees every CPE.
var seen = netip.MustParseAddrPort("192.0.2.9:40000")

// stunServer answers Binding Requests; with a password it wants them signed. It
// gives the sockets of the CPE.
func stunServer(t *testing.T, password string) (conn *net.UDPConn, peers chan netip.AddrPort) {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	peers = make(chan netip.AddrPort, 64)
	done := make(chan struct{})
	t.Cleanup(func() { _ = conn.Close(); <-done })
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			m, err := stun.Parse(buf[:n])
			if err != nil {
				continue
			}
			reply := stun.Message{Type: stun.BindingResponse, ID: m.ID}
			if v, _ := m.Get(stun.ConnectionRequestBinding); string(v) != stun.BindingValue ||
				password != "" && !m.Verify([]byte(password)) {
				reply.Type = stun.BindingError
				reply.Add(stun.ErrorCode, stun.AppendError(nil, 401, "Unauthorized"))
			} else {
				reply.Add(stun.MappedAddress, stun.AppendAddress(nil, seen))
				select {
				case peers <- from:
				default:
				}
			}
			_, _ = conn.WriteToUDPAddrPort(reply.Append(nil, nil), from)
		}
	}()
	return conn, peers
}

func TestSTUN(t *testing.T) {
	t.Parallel()
	for _, password := range []string{"", "stun-secret"} {
		server, peers := stunServer(t, password)
		b := start(t, "tr098-dsl", func(o *cpe.Options) { o.ConnReqUsername, o.ConnReqPassword = "wake", "secret" })
		b.booted()
		port := strconv.Itoa(server.LocalAddr().(*net.UDPAddr).Port)
		b.call(&cwmp.SetParameterValues{Params: []cwmp.ParameterValue{
			pv(ms+"STUNServerAddress", "127.0.0.1", cwmp.TypeString), pv(ms+"STUNServerPort", port, cwmp.TypeUnsignedInt),
			pv(ms+"STUNUsername", "u", cwmp.TypeString), pv(ms+"STUNPassword", password, cwmp.TypeString),
			pv(ms+"STUNEnable", "1", cwmp.TypeBoolean),
		}})
		in := b.booted()
		b.wantEvents(in, cwmp.EventValueChange)
		if got, _ := b.cpe.Value(ms + "UDPConnectionRequestAddress"); got != seen.String() {
			t.Errorf("UDPConnectionRequestAddress: got %q, want %s", got, seen)
		}
		if got, _ := b.cpe.Value(ms + "NATDetected"); got != "1" {
			t.Errorf("NATDetected: got %q, want 1", got)
		}
		at := take(t, "binding", peers)
		d := udp.Datagram{TS: 1120673700, ID: 1234, Username: "wake", Nonce: "XTGRWIPC6D3IPXS3"}
		wrong := d.Append(nil, seen.String(), "other")
		right := d.Append(nil, seen.String(), "secret")
		d.TS--
		old := d.Append(nil, seen.String(), "secret")
		for _, b := range [][]byte{wrong, []byte("GET x"), right, right, old} {
			if _, err := server.WriteToUDPAddrPort(b, at); err != nil {
				t.Fatal(err)
			}
		}
		b.wantEvents(b.booted(), cwmp.EventConnectionRequest)
		d.TS += 2
		if _, err := server.WriteToUDPAddrPort(d.Append(nil, seen.String(), "secret"), at); err != nil {
			t.Fatal(err)
		}
		b.wantEvents(b.booted(), cwmp.EventConnectionRequest)
		if got := b.cpe.Pending(); len(got) > 0 {
			t.Errorf("got %v after one request, repeated, and others that do not count", got)
		}
	}
}
