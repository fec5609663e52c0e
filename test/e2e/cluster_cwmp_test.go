// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/connreq/stun"
	"github.com/uspgate/uspgate/cwmp/connreq/udp"
	"github.com/uspgate/uspgate/internal/engine/enginetest"
	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp"
)

// What one node learns of CPE, the others know.

// twoNodes are two gateways that are one and know it, with these cwmp blocks.
func twoNodes(t *testing.T, blocks ...string) (a, b *harness.Gateway) {
	t.Helper()
	nats := enginetest.New(t, 3)
	a = harness.Start(t, engineOf(nats, "a")+blocks[0])
	b = harness.Start(t, engineOf(nats, "b")+blocks[len(blocks)-1])
	for _, gw := range []*harness.Gateway{a, b} {
		awaitMetric(t, gw, "uspgate_cluster_nodes 2")
	}
	return a, b
}

func awaitMetric(t *testing.T, gw *harness.Gateway, line string) {
	t.Helper()
	harness.Eventually(t, func() error {
		if !strings.Contains(metrics(t, gw), line+"\n") {
			return fmt.Errorf("no metric %q", line)
		}
		return nil
	})
}

// fresh has every Get ask the CPE.
const fresh = "translate: {freshness: 0s}\n"

// news is how the metric of what a node has heard of a topic begins.
func news(topic string) string {
	return "uspgate_cluster_news_total{result=\"heard\",topic=\"" + topic + "\"} "
}

// TestNodesCountFailedLoginsTogether: who guesses at one node and then at the other
// is locked out at both.
func TestNodesCountFailedLoginsTogether(t *testing.T) {
	t.Parallel()
	a, b := twoNodes(t,
		"cwmp: {auth: {mode: basic, users: [{username: cpe, password: secret}], lockout: {user_failures: 6}}}\n")
	for _, x := range []struct{ at, other *harness.Gateway }{{a, b}, {b, a}} {
		for range 3 {
			if status, _ := (&doorbell{t: t, url: x.at.ACS()}).ring("1", "cpe", "guess"); status != http.StatusUnauthorized {
				t.Fatalf("got %d, want 401", status)
			}
		}
		awaitMetric(t, x.other, news("attempt")+"3")
	}
	for name, gw := range map[string]*harness.Gateway{"a": a, "b": b} {
		if status, _ := (&doorbell{t: t, url: gw.ACS()}).ring("1", "cpe", "secret"); status != http.StatusServiceUnavailable {
			t.Errorf("%s: got %d, want 503 after three guesses at each", name, status)
		}
	}
}

// asking has a Controller at gw ask for what only the CPE knows, and returns when
// that has been answered.
func asking(t *testing.T, gw *harness.Gateway, id usp.EndpointID) (answered <-chan error) {
	t.Helper()
	c := gw.Controller(gw.WS(), "self::asking")
	out := make(chan error, 1)
	ctx := deadline(t)
	go func() {
		resp, err := c.Get(ctx, id, 0, "Device.DeviceInfo.UpTime")
		if err == nil && len(controller.Params(resp)) != 1 {
			err = fmt.Errorf("got %v, want one parameter", resp)
		}
		out <- err
	}()
	return out
}

// TestNodesShareWhatIsAwaited: a CPE that somebody waits for at a is let in at b,
// which is full.
func TestNodesShareWhatIsAwaited(t *testing.T) {
	t.Parallel()
	a, b := twoNodes(t, fresh, fresh+"cwmp: {session_rate: 1, session_burst: 1}\n")
	offline := func(o *cpe.Options) { o.ConnReqListen = cpe.NoConnReq }
	box := a.CPE("tr098-dsl", offline)
	answered := asking(t, a, box.Agent)
	awaitMetric(t, b, news("awaited")+"1")
	d := &doorbell{t: t, url: b.ACS()}
	serial := 0
	harness.Eventually(t, func() error {
		serial++ // one that has been there is awaited itself
		if status, _ := d.ring("other"+strconv.Itoa(serial), "", ""); status != http.StatusServiceUnavailable {
			return fmt.Errorf("b is not full: %d", status)
		}
		return nil
	})
	b.CPE("tr098-dsl", offline) // the same box
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

// TestNodesShareWhatIsFound: a CPE that has informed for ever at a is answered at b
// as it needs it, from the first Inform on [quirk 41].
func TestNodesShareWhatIsFound(t *testing.T) {
	t.Parallel()
	a, b := twoNodes(t, "")
	inform := string(informOf(t, "loops"))
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	atA, atB := &doorbell{t: t, url: a.ACS()}, &doorbell{t: t, url: b.ACS()}
	if resp := atB.post(client, string(informOf(t, "other")), "", ""); resp.Header.Get("Date") == "" {
		t.Fatal("got no Date, want the header of others not to be minimal")
	}
	var cookie string
	for range 5 {
		resp := atA.post(client, inform, "", "")
		cookie, _, _ = strings.Cut(resp.Header.Get("Set-Cookie"), ";")
	}
	atA.post(client, "", "", "", cookie)
	awaitMetric(t, a, "uspgate_cwmp_findings_total{kind=\"inform_loop\"} 1")
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for range 4 { // with five b would find out for itself
		<-tick.C
		if resp := atB.post(client, inform, "", ""); resp.Header.Get("Date") == "" {
			return
		}
	}
	t.Error("b: got the usual header four times, want a minimal one")
}

// TestUDPRequestFromTheNodeThatHears: a CPE that a serves, and that talks to the STUN
// server of b, is asked for a session by b: its NAT lets nobody else in.
func TestUDPRequestFromTheNodeThatHears(t *testing.T) {
	t.Parallel()
	server := freeUDP(t)
	const block = fresh + "cwmp: {connection_request: {username: u, password: p, udp: {listen: [%q]}}}\n"
	a, _ := twoNodes(t, fmt.Sprintf(block, "127.0.0.1:0"), fmt.Sprintf(block, server.String()))
	box := a.CPE("tr098-dsl", func(o *cpe.Options) { o.ConnReqListen = cpe.NoConnReq })
	nat, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(server))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nat.Close() })
	m := stun.Message{Type: stun.BindingRequest, ID: [16]byte{1}}
	m.Add(stun.ConnectionRequestBinding, []byte(stun.BindingValue))
	if _, err := nat.Write(m.Append(nil, nil)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 2000)
	read := func() []byte {
		_ = nat.SetReadDeadline(time.Now().Add(harness.Timeout))
		n, err := nat.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return buf[:n]
	}
	read() // the Binding Response
	answered := asking(t, a, box.Agent)
	d, signature, err := udp.ParseDatagram(read())
	if err != nil || d.Username != "u" || !d.Verify(signature, "p") {
		t.Fatalf("got %+v, %v, want a Connection Request for u, signed", d, err)
	}
	box.Raise(cwmp.Event{Code: cwmp.EventConnectionRequest})
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

// freeUDP is an address at which nobody listens.
func freeUDP(t *testing.T) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}
