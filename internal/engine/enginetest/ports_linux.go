// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package enginetest

import (
	"os"
	"syscall"
	"testing"
)

// holdPorts returns ports of loopback that are tb's until it ends. A socket that
// is bound to a port and does not listen keeps the kernel from giving that port to
// anybody else, as a listener's or as that of a connection, also while the server
// of that port is down; a listener with SO_REUSEADDR, as those of Go are, may
// have it all the same.
func holdPorts(tb testing.TB, n int) []int {
	tb.Helper()
	ports := make([]int, n)
	for i := range ports {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			tb.Fatalf("a port: %v", os.NewSyscallError("socket", err))
		}
		tb.Cleanup(func() { _ = syscall.Close(fd) }) // nothing was written to it
		if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
			tb.Fatalf("a port: %v", os.NewSyscallError("setsockopt", err))
		}
		if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			tb.Fatalf("a port: %v", os.NewSyscallError("bind", err))
		}
		a, err := syscall.Getsockname(fd)
		if err != nil {
			tb.Fatalf("a port: %v", os.NewSyscallError("getsockname", err))
		}
		in4, ok := a.(*syscall.SockaddrInet4)
		if !ok {
			tb.Fatalf("a port: got %T", a)
		}
		ports[i] = in4.Port
	}
	return ports
}
