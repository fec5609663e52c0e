// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package uds

import "syscall"

// socketCredentials is SO_PEERCRED.
func socketCredentials(fd int) (Credentials, error) {
	c, err := syscall.GetsockoptUcred(fd, syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	if err != nil {
		return Credentials{}, err
	}
	return Credentials{PID: c.Pid, UID: c.Uid, GID: c.Gid}, nil
}
