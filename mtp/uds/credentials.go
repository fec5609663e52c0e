// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package uds

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

var errNoCredentials = errors.New("uds: the kernel does not tell who the peer process is")

// Credentials are who the kernel says the peer process is, from the moment it
// connected or began to listen. The zero value: it does not say.
type Credentials struct {
	PID      int32
	UID, GID uint32
}

// String returns them for logs.
func (c Credentials) String() string {
	return fmt.Sprintf("pid=%d,uid=%d,gid=%d", c.PID, c.UID, c.GID)
}

// peerCredentials asks for those of the peer of conn.
func peerCredentials(conn net.Conn) (Credentials, error) {
	for {
		inner, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		conn = inner.NetConn()
	}
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return Credentials{}, errNoCredentials
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return Credentials{}, fmt.Errorf("uds: credentials: %w", err)
	}
	var creds Credentials
	var failed error
	if err := raw.Control(func(fd uintptr) { creds, failed = socketCredentials(int(fd)) }); err != nil {
		return Credentials{}, fmt.Errorf("uds: credentials: %w", err)
	}
	if failed != nil {
		return Credentials{}, fmt.Errorf("uds: credentials: %w", os.NewSyscallError("getsockopt", failed))
	}
	return creds, nil
}
