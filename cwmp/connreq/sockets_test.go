// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package connreq_test

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/cwmp/connreq"
	"github.com/uspgate/uspgate/cwmp/connreq/stun"
	"github.com/uspgate/uspgate/cwmp/connreq/udp"
)

// TestLadderOnSockets: a CPE that nobody can reach by HTTP, but which keeps a
// binding at the STUN server, comes by UDP.
func TestLadderOnSockets(t *testing.T) {
	t.Parallel()
	guard := connreq.Guard{AllowLoopback: true, SourceOnly: true}
	server := udp.New(udp.Options{Addrs: []string{"127.0.0.1:0"}, Guard: guard, CopyInterval: time.Millisecond})
	if err := server.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	client := connreq.New(connreq.Options{Guard: guard, Retries: -1})
	w := connreq.NewWaker(connreq.WakerOptions{Ways: ways{connreq.HTTP: client, connreq.UDP: server}})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- server.Run(ctx) }()
	go func() { ended <- w.Run(ctx) }()
	defer func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Errorf("Run: got %v, want nil", err)
			}
		}
	}()

	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(server.Addrs()[0]))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	m := &stun.Message{Type: stun.BindingRequest, ID: [16]byte{1}}
	m.Add(stun.ConnectionRequestBinding, []byte(stun.BindingValue))
	buf := make([]byte, 1500)
	if _, err := conn.Write(m.Append(nil, nil)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(buf); err != nil {
		t.Fatal(err)
	}

	done := make(chan outcome, 1)
	go func() {
		r, err := w.Wake(t.Context(), connreq.CPE{
			Key: "a", URL: "http://127.0.0.1:1/x", Source: server.Addrs()[0].Addr(), Methods: "HTTP,STUN",
			Logins: []connreq.Login{{Username: "u", Password: "p"}},
		})
		done <- outcome{r, err}
	}()
	n, err := conn.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	d, sig, err := udp.ParseDatagram(buf[:n])
	if err != nil || d.Username != "u" || !d.Verify(sig, "p") {
		t.Fatalf("got %q, %v, want a Connection Request for u", buf[:n], err)
	}
	w.Arrived("a")
	got := <-done
	if want := []string{"http unreachable", "udp session"}; got.err != nil || !slices.Equal(results(got.report), want) ||
		!strings.Contains(got.report.Steps[1].To, conn.LocalAddr().String()) {
		t.Fatalf("got %+v, %v, want %v", got.report, got.err, want)
	}
}
