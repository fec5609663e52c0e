// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt_test

import (
	"bytes"
	"fmt"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp/mqtt"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/usp"
)

// TestIdleConnection: what an idle client costs, with its goroutine. The
// race detector makes everything larger: the budget is for the
// product.
func TestIdleConnection(t *testing.T) { //nolint:paralleltest // it reads the memory of the whole process
	const clients, budget = 400, 10 << 10
	hub := mtptest.NewRecorder(t)
	addr := serve(t, mqtt.ServerOptions{Role: usp.RoleAgent, CloseTimeout: 10 * time.Millisecond}, hub)
	conns := make([]net.Conn, 0, clients)
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	answer := make([]byte, 512)
	open := func(n int) {
		for range n {
			c, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, c)
			id := usp.EndpointID(fmt.Sprintf("os::00D09E-%d", len(conns)))
			_, err = c.Write(bytes.Join([][]byte{
				connect(v5, "", user("usp-endpoint-id", string(id))), subscribe(v5, 1, agentTopic(id)),
			}, nil))
			if err != nil {
				t.Fatal(err)
			}
			hub.Link()
			if _, err := c.Read(answer); err != nil {
				t.Fatal(err)
			}
		}
	}
	open(50)
	before, goroutines := used(), runtime.NumGoroutine()
	open(clients)
	each := (used() - before) / clients
	t.Logf("idle client: %d bytes with the test's half", each)
	if each > budget && !raceDetector {
		t.Errorf("idle client: got %d bytes, want at most %d", each, budget)
	}
	if got := runtime.NumGoroutine() - goroutines; got > clients {
		t.Errorf("goroutines for %d clients: got %d, want one each", clients, got)
	}
}

// used is heap and stacks in bytes after a collection.
func used() int {
	for range 5 { // each halves a stack that has become too large
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}
