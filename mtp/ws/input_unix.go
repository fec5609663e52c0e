// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package ws

import (
	"errors"
	"io"
	"syscall"
)

// canReadReady says that readReady works on this system.
const canReadReady = true

// readReady reads what is there into a borrowed buffer, and reports false if
// nothing is.
func (w *wire) readReady(fd uintptr) bool {
	buf := w.buffers.get()
	n, err := syscall.Read(int(fd), *buf)
	for errors.Is(err, syscall.EINTR) {
		n, err = syscall.Read(int(fd), *buf)
	}
	if n > 0 {
		w.ahead, w.r, w.n, w.err = buf, 0, n, nil
		return true
	}
	w.buffers.put(buf)
	if errors.Is(err, syscall.EAGAIN) {
		return false
	}
	if w.err = err; err == nil {
		w.err = io.EOF
	}
	return true
}
