// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package enginetest_test

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"

	"github.com/uspgate/uspgate/internal/engine/enginetest"
)

// A port that is held is a listener's as often as it likes, and no connection's.
func TestHoldPorts(t *testing.T) {
	t.Parallel()
	port := enginetest.HoldPorts(t, 1)[0]
	for range 2 {
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Fatalf("Listen: got %v, want nil", err)
		}
		_ = l.Close() // nobody has connected
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}}
		if _, err := d.DialContext(t.Context(), "tcp", "127.0.0.1:1"); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("a connection from that port: got %v, want EADDRINUSE", err)
		}
	}
}
