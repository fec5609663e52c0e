// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files_test

import (
	"net"
	"syscall"
	"testing"

	"github.com/uspgate/uspgate/cwmp/files"
)

// keeping is a listener that keeps what it accepts, wrapped.
type keeping struct {
	net.Listener
	conns chan *wrapped
}

// wrapped shows of a TCP connection what those of mtp/listen do.
type wrapped struct{ net.Conn }

func (w *wrapped) SyscallConn() (syscall.RawConn, error) { return w.Conn.(syscall.Conn).SyscallConn() }

func (k keeping) Accept() (net.Conn, error) {
	c, err := k.Listener.Accept()
	if err != nil {
		return nil, err
	}
	w := &wrapped{c}
	k.conns <- w
	return w, nil
}

// What is sent is near to what the CPE has.
func TestSendBufferIsBounded(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	kept := keeping{ln, make(chan *wrapped, 1)}
	s := start(t, files.Options{Listener: kept})
	ev := newEvents()
	u := offer(t, s, files.Offer{Content: contentOf(pattern(16 << 20)), Access: files.Access{Notify: ev.notify}}).URL
	stuck(t, u)
	ev.want(t, files.Started)
	raw, err := (<-kept.conns).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var size int
	if cerr := raw.Control(func(fd uintptr) {
		size, err = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF)
	}); cerr != nil || err != nil {
		t.Fatal(cerr, err)
	}
	if size > 512<<10 { // Linux doubles what it is asked for, and may allow less
		t.Errorf("got %d bytes, want at most 512 KiB", size)
	}
}
