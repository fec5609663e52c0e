// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package enginetest

import (
	"net"
	"testing"
)

// holdPorts returns ports of loopback that were free a moment ago: only Linux lets
// them be held until somebody listens.
func holdPorts(tb testing.TB, n int) []int {
	tb.Helper()
	ports := make([]int, n)
	for i := range ports {
		l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			tb.Fatalf("a port: %v", err)
		}
		defer l.Close() // once all are known, so that they differ
		a, ok := l.Addr().(*net.TCPAddr)
		if !ok {
			tb.Fatalf("a port: got %T", l.Addr())
		}
		ports[i] = a.Port
	}
	return ports
}
