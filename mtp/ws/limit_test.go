// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/usp"
)

// dial opens a bare TCP connection.
func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatalf("dial: got %v, want nil", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// wantMetric polls until the registry shows the sample, as name{labels} value.
func wantMetric(t *testing.T, reg *prometheus.Registry, sample string) {
	t.Helper()
	deadline := time.After(mtptest.Timeout)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		got := samples(t, reg)
		if slices.Contains(got, sample) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("metrics: got %q, want %s", got, sample)
		}
	}
}

// samples lists all counters and gauges.
func samples(t *testing.T, reg *prometheus.Registry) []string {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatalf("gather: got %v, want nil", err)
	}
	var all []string
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			value := m.GetCounter().GetValue() + m.GetGauge().GetValue()
			all = append(all, fmt.Sprintf("%s{%s} %v", f.GetName(), strings.Join(labels, ","), value))
		}
	}
	return all
}

func TestConnectionLimits(t *testing.T) {
	t.Parallel()
	vectors := []struct {
		name   string
		opts   ws.ServerOptions
		reason string
	}{
		{"in all", ws.ServerOptions{MaxConnections: 2}, "connections"},
		{"per address", ws.ServerOptions{MaxConnectionsPerAddress: 2}, "address"},
	}
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			reg := prometheus.NewRegistry()
			v.opts.Metrics = reg
			s, hub := start(t, v.opts)
			first, _ := handshake(t, s.Addr(), "/usp?eid=os::a", nil)
			port := hub.Link()
			second := dial(t, s.Addr()) // one that says nothing counts too
			wantEnd(t, dial(t, s.Addr()))
			wantMetric(t, reg, `uspgate_connections_rejected_total{mtp="websocket",reason="`+v.reason+`"} 1`)

			if err := first.Close(); err != nil {
				t.Fatalf("Close: got %v, want nil", err)
			}
			if err := port.WaitDown(); err == nil {
				t.Fatal("cause: got nil, want an error")
			}
			wantMetric(t, reg, `uspgate_connections{mtp="websocket"} 0`)
			handshake(t, s.Addr(), "/usp?eid=os::a", nil)
			hub.Link()
			if err := second.Close(); err != nil {
				t.Fatalf("Close: got %v, want nil", err)
			}
		})
	}
}

// TestProxyProtocol: behind a trusted proxy the peer is whom the proxy names.
func TestProxyProtocol(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	s, hub := start(t, ws.ServerOptions{
		LinkOptions: ws.LinkOptions{Metrics: reg, CloseTimeout: 10 * time.Millisecond},
		ProxyFrom:   []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, MaxConnectionsPerAddress: 1,
	})
	behind := func(header string) net.Conn {
		conn := dial(t, s.Addr())
		if _, err := io.WriteString(conn, header); err != nil {
			t.Fatalf("write: got %v, want nil", err)
		}
		return conn
	}
	for _, host := range []string{"192.0.2.7", "192.0.2.8"} {
		exchange(t, behind("PROXY TCP4 "+host+" 127.0.0.1 4000 80\r\n"), "/usp?eid=os::a", nil)
		p := hub.Link().Peer
		if p.Remote != host+":4000" || p.Loopback {
			t.Fatalf("peer: got %s, loopback %v, want %s:4000, elsewhere", p.Remote, p.Loopback, host)
		}
	}
	wantEnd(t, behind("PROXY TCP4 192.0.2.8 127.0.0.1 4001 80\r\n"))
	wantMetric(t, reg, `uspgate_connections_rejected_total{mtp="websocket",reason="address"} 1`)
	wantEnd(t, behind("GET /usp?eid=os::a HTTP/1.1\r\n\r\n"))
	wantMetric(t, reg, `uspgate_connections_rejected_total{mtp="websocket",reason="handshake"} 1`)
}

// TestSlowHandshake: a client that sends its handshake byte by byte, or none,
// is cut off.
func TestSlowHandshake(t *testing.T) {
	t.Parallel()
	s, _ := start(t, ws.ServerOptions{LinkOptions: ws.LinkOptions{HandshakeTimeout: 100 * time.Millisecond}})
	silent, slow := dial(t, s.Addr()), dial(t, s.Addr())
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	head := "GET /usp HTTP/1.1\r\nHost: x\r\nX-Slow: " + strings.Repeat("x", 10_000)
	begin := time.Now()
	for i := 0; ; i++ {
		<-tick.C
		if _, err := io.WriteString(slow, head[i:i+1]); err != nil {
			break
		}
		if time.Since(begin) > mtptest.Timeout {
			t.Fatal("a slow handshake was never cut off")
		}
	}
	wantEnd(t, silent)
}

func TestLargeHandshake(t *testing.T) {
	t.Parallel()
	s, _ := start(t, ws.ServerOptions{})
	_, resp := request(t, s.Addr(), "/usp", http.Header{"X-Large": {strings.Repeat("x", 16<<10)}})
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Fatalf("handshake of 16 KiB: got status %d, want 431", resp.StatusCode)
	}
}

// TestMetrics: every way to be turned away is counted, and Records with their
// outcome in both directions.
func TestMetrics(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	s, hub := start(t, ws.ServerOptions{
		LinkOptions: ws.LinkOptions{Metrics: reg, MaxRecord: 1000},
		Auth: func(r *http.Request) (mtp.Identity, error) {
			if r.Header.Get("Authorization") == "" {
				return mtp.Identity{}, mtp.ErrForbidden
			}
			return mtp.Identity{Method: "password", IDs: []usp.EndpointID{"os::a"}}, nil
		},
	})
	password := http.Header{"Authorization": {"Basic eDp5"}}
	request(t, s.Addr(), "/usp?eid=os::a", nil)
	request(t, s.Addr(), "/usp?eid=os::b", password)
	request(t, s.Addr(), "/usp?eid=os::a", http.Header{"Sec-Websocket-Key": {"short"}, "Authorization": {"Basic eDp5"}})
	request(t, s.Addr(), "/other", nil)
	conn, _ := handshake(t, s.Addr(), "/usp?eid=os::a", password)
	p := hub.Link()
	p.Send(mtptest.Record("os::b", "os::a", "down", 0), mtp.Hint{})
	for range 2 {
		if _, err := conn.Write(frame(finalBit|opBinary, mtptest.Record("os::a", "os::b", "up", 0))); err != nil {
			t.Fatalf("write: got %v, want nil", err)
		}
		p.Next()
	}
	if _, err := conn.Write(frame(finalBit|opText, nil)); err != nil {
		t.Fatalf("write: got %v, want nil", err)
	}
	for _, sample := range []string{
		`uspgate_connections_rejected_total{mtp="websocket",reason="auth"} 1`,
		`uspgate_connections_rejected_total{mtp="websocket",reason="identity"} 1`,
		`uspgate_connections_rejected_total{mtp="websocket",reason="handshake"} 2`,
		`uspgate_records_total{direction="in",mtp="websocket",result="ok"} 2`,
		`uspgate_records_total{direction="in",mtp="websocket",result="malformed"} 1`,
		`uspgate_records_total{direction="out",mtp="websocket",result="ok"} 1`,
		`uspgate_connections{mtp="websocket"} 0`,
	} {
		wantMetric(t, reg, sample)
	}
}
