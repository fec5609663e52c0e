// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws

import "syscall"

// ipBindAddressNoPort is IP_BIND_ADDRESS_NO_PORT, which package syscall lacks.
const ipBindAddressNoPort = 24

// bindLate has the port chosen when the socket connects instead of when it is
// bound, so that a port serves once per server and not once in all.
func bindLate(fd uintptr) {
	_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, ipBindAddressNoPort, 1) // it only saves ports
}
