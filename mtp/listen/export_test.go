// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package listen

import (
	"io"
	"net"

	"go.uber.org/zap"
)

// Wrap is Listen on a listener of the test's own.
func Wrap(ln net.Listener) net.Listener { return wrap(ln, Options{Log: zap.NewNop()}) }

// ReadHeader returns what readHeader says.
func ReadHeader(r io.Reader) (source, destination net.Addr, rest []byte, err error) {
	h, err := readHeader(r)
	return h.source, h.destination, h.rest, err
}
