// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package files

import "net"

// setSendBuffer asks the kernel for a send buffer of size bytes.
func setSendBuffer(c net.Conn, size int) {
	if b, ok := c.(interface{ SetWriteBuffer(bytes int) error }); ok {
		_ = b.SetWriteBuffer(size)
	}
}
