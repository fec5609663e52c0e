// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package bench_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/app"
	"github.com/uspgate/uspgate/internal/bench"
	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/usp"
)

// gateway runs a gateway in this process and returns its addresses by name.
func gateway(t *testing.T, yaml string) map[string]string {
	t.Helper()
	cfg, err := config.Parse("test.yaml", []byte(yaml), nil)
	if err != nil {
		t.Fatal(err)
	}
	gw, err := app.New(t.Context(), app.Options{Config: cfg, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if err := gw.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- gw.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return gw.Addresses()
}

const streams = `
mtp:
- {name: ws, type: websocket, listen: "127.0.0.1:0"}
- {name: mqtt, type: mqtt, listen: "127.0.0.1:0"}
cwmp: {listen: "127.0.0.1:0"}
engine: {store: memory}
admin: {listen: ""}
metrics: {listen: "127.0.0.1:0"}
`

// run dials and measures 2,000 Records.
func run(t *testing.T, o bench.Options) {
	t.Helper()
	const records = 2000
	l, err := bench.Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for range 2 { // it can be used again
		ph := bench.Phase{Records: records}
		if runtime.GOOS == "linux" {
			ph.Process = os.Getpid()
		}
		r, err := l.Run(t.Context(), ph)
		if err != nil {
			t.Fatal(err)
		}
		if r.Records < records || r.Elapsed <= 0 || r.Rate() <= 0 {
			t.Errorf("got %d Records in %v, want at least %d", r.Records, r.Elapsed, records)
		}
		if r.P50 <= 0 || r.P99 < r.P50 || r.P99 > time.Minute {
			t.Errorf("latencies: got %v and %v, want some time", r.P50, r.P99)
		}
		if ph.Process != 0 && r.CPUPerRecord() <= 0 {
			t.Errorf("CPU time: got %v, want some", r.CPUPerRecord())
		}
	}
}

func TestLoadThroughGateway(t *testing.T) {
	t.Parallel()
	at := gateway(t, streams)
	ws, mqtt, mqtt311 := "ws://"+at["ws"]+"/usp", "mqtt://"+at["mqtt"], "mqtt311://"+at["mqtt"]
	for i, o := range []bench.Options{
		{From: bench.Side{URL: ws}, To: bench.Side{URL: ws}},
		{From: bench.Side{URL: mqtt}, To: bench.Side{URL: ws}, QoS: 1},
		{From: bench.Side{URL: ws}, To: bench.Side{URL: mqtt311}, QoS: 1, Window: 1},
		{From: bench.Side{URL: mqtt}, To: bench.Side{URL: mqtt}, QoS: 1, Size: 5000, Window: 7},
		{From: bench.Side{URL: mqtt311}, To: bench.Side{URL: mqtt}},
	} {
		o.From.Endpoint = usp.EndpointID(fmt.Sprintf("os::00D09E-%d", i))
		o.To.Endpoint = usp.EndpointID(fmt.Sprintf("self::%d", i))
		run(t, o)
	}
}

// TestLoadOfOtherMTPs: the rest, for which the Controller is named in a route:
// an Agent on CoAP cannot show that it is one.
func TestLoadOfOtherMTPs(t *testing.T) {
	t.Parallel()
	const agent, controller = usp.EndpointID("os::00D09E-other"), usp.EndpointID("self::other")
	south, north := filepath.Join(t.TempDir(), "s"), filepath.Join(t.TempDir(), "n")
	at := gateway(t, fmt.Sprintf(`
mtp:
- {name: ws, type: websocket, listen: "127.0.0.1:0"}
- {name: stomp, type: stomp, listen: "127.0.0.1:0"}
- {name: coap, type: coap, listen: "127.0.0.1:0"}
- {name: south, type: uds, listen: "%s", presents: "%s"}
- {name: north, type: uds, listen: "%s", presents: "%s"}
routes: [{endpoint_id: "%s", role: controller}]
cwmp: {listen: "127.0.0.1:0"}
engine: {store: memory}
admin: {listen: ""}
metrics: {listen: ""}
`, south, controller, north, agent, controller))
	ws, stomp, coap := "ws://"+at["ws"]+"/usp", "stomp://"+at["stomp"], "coap://"+at["coap"]+"/usp"
	for _, pair := range [][2]string{{stomp, ws}, {ws, stomp}, {coap, ws}, {"unix://" + south, "unix://" + north}} {
		run(t, bench.Options{
			From:   bench.Side{URL: pair[0], Endpoint: agent},
			To:     bench.Side{URL: pair[1], Endpoint: controller},
			Window: 32,
		})
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	side := bench.Side{URL: "ws://127.0.0.1:1/"}
	for _, o := range []bench.Options{
		{From: side, To: side, QoS: 2},
		{From: side, To: side, Window: -1},
		{From: side, To: side, Window: 1 << 20},
		{From: side, To: side, Size: 10},
		{From: side, To: side, Timeout: -1},
		{From: bench.Side{Endpoint: "self::a"}, To: bench.Side{Endpoint: "self::a"}},
		{From: side, To: bench.Side{URL: "gopher://h"}},
		{From: bench.Side{URL: "gopher://h"}, To: side},
		{From: side, To: bench.Side{URL: "coap://h/usp"}},
	} {
		if l, err := bench.Dial(t.Context(), o); err == nil {
			l.Close()
			t.Errorf("%+v: got nil, want an error", o)
		}
	}
}

// sabotage relays the frames of one Unix domain socket to another, but those
// for which pass is false.
func sabotage(t *testing.T, pass func(n int) bool) (from, to string) {
	t.Helper()
	dir := t.TempDir()
	from, to = filepath.Join(dir, "from"), filepath.Join(dir, "to")
	accepted := func(path string) <-chan net.Conn {
		ln, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ln.Close() })
		out := make(chan net.Conn, 1)
		go func() {
			if c, err := ln.Accept(); err == nil {
				_, _ = relayFrame(c, c) // the Handshake, as an answer
				out <- c
			}
			close(out)
		}()
		return out
	}
	south, north := accepted(from), accepted(to)
	done := make(chan struct{})
	go func() {
		defer close(done)
		out, in := <-north, <-south
		if in == nil || out == nil {
			return
		}
		for n := 0; ; n++ {
			dst := io.Writer(out)
			if !pass(n) {
				dst = io.Discard
			}
			if _, err := relayFrame(dst, in); err != nil {
				_, _ = in.Close(), out.Close()
				return
			}
		}
	}()
	t.Cleanup(func() { <-done })
	return "unix://" + from, "unix://" + to
}

// relayFrame copies one frame.
func relayFrame(dst io.Writer, src io.Reader) (int64, error) {
	var head [8]byte
	if _, err := io.ReadFull(src, head[:]); err != nil {
		return 0, err
	}
	body := io.LimitReader(src, int64(binary.BigEndian.Uint32(head[4:])))
	return io.Copy(dst, io.MultiReader(strings.NewReader(string(head[:])), body))
}

// A relay that loses one Record is found out by the one that comes instead.
func TestLossIsNoticed(t *testing.T) {
	t.Parallel()
	from, to := sabotage(t, func(n int) bool { return n != 500 })
	l, err := bench.Dial(t.Context(), bench.Options{From: bench.Side{URL: from}, To: bench.Side{URL: to}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = l.Run(t.Context(), bench.Phase{Records: 2000})
	if err == nil || !strings.Contains(err.Error(), "lost") {
		t.Errorf("got %v, want that a Record is lost", err)
	}
}

// A relay from which nothing comes any more ends the Load after its timeout.
func TestStandstillIsNoticed(t *testing.T) {
	t.Parallel()
	from, to := sabotage(t, func(n int) bool { return n < 500 })
	l, err := bench.Dial(t.Context(), bench.Options{
		From: bench.Side{URL: from}, To: bench.Side{URL: to}, Timeout: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err = l.Run(t.Context(), bench.Phase{Records: 2000}); !errors.Is(err, bench.ErrStill) {
		t.Errorf("got %v, want %v", err, bench.ErrStill)
	}
}

// TestCrowd: the Endpoints are there, and the memory of the process is told.
func TestCrowd(t *testing.T) {
	t.Parallel()
	at := gateway(t, streams)
	for _, url := range []string{"ws://" + at["ws"] + "/usp", "mqtt://" + at["mqtt"]} {
		crowd, err := bench.Crowd(t.Context(), bench.Side{URL: url}, 50, true, func(i int) usp.EndpointID {
			return usp.EndpointID(fmt.Sprintf("os::00D09E-%d", i))
		})
		if err != nil {
			t.Fatal(err)
		}
		m, err := bench.ReadMemory(t.Context(), at["metrics"], os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if m.Heap == 0 || m.Stacks == 0 || runtime.GOOS == "linux" && m.Resident < m.Stacks {
			t.Errorf("got %+v, want all of it", m)
		}
		if err := crowd.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := bench.Crowd(t.Context(), bench.Side{URL: "ws://" + at["ws"] + "/nowhere"}, 3, false,
		func(int) usp.EndpointID { return "self::a" }); err == nil {
		t.Error("a resource that is not there: got nil, want an error")
	}
}
