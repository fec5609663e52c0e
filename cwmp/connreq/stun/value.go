// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stun

import (
	"encoding/binary"
	"net/netip"
)

// AppendAddress appends the value of an address attribute [RFC 3489 11.2.1].
func AppendAddress(dst []byte, a netip.AddrPort) []byte {
	ip := a.Addr().Unmap()
	family := byte(1)
	if ip.Is6() {
		family = 2
	}
	dst = append(dst, 0, family)
	dst = binary.BigEndian.AppendUint16(dst, a.Port())
	return append(dst, ip.AsSlice()...)
}

// AppendXORAddress appends the value of XOR-MAPPED-ADDRESS [RFC 5389 15.2].
func AppendXORAddress(dst []byte, a netip.AddrPort, id [16]byte) []byte {
	start := len(dst)
	dst = AppendAddress(dst, a)
	mask(dst[start:], id)
	return dst
}

func mask(value []byte, id [16]byte) {
	value[2] ^= id[0]
	value[3] ^= id[1]
	for i := range value[4:] {
		value[4+i] ^= id[i]
	}
}

// ParseAddress reads the value of an address attribute.
func ParseAddress(value []byte) (a netip.AddrPort, ok bool) {
	if len(value) < 4 {
		return a, false
	}
	ip, ok := netip.AddrFromSlice(value[4:])
	if !ok || (value[1] == 1) != ip.Is4() || (value[1] == 2) != ip.Is6() {
		return a, false
	}
	return netip.AddrPortFrom(ip.Unmap(), binary.BigEndian.Uint16(value[2:])), true
}

// ParseXORAddress reads the value of XOR-MAPPED-ADDRESS.
func ParseXORAddress(value []byte, id [16]byte) (a netip.AddrPort, ok bool) {
	if len(value) != 8 && len(value) != headerSize {
		return a, false
	}
	value = append([]byte(nil), value...)
	mask(value, id)
	return ParseAddress(value)
}

// AppendError appends the value of ERROR-CODE [RFC 3489 11.2.9].
func AppendError(dst []byte, code int, reason string) []byte {
	return append(append(dst, 0, 0, byte(code/100), byte(code%100)), reason...)
}

// ParseError reads the value of ERROR-CODE.
func ParseError(value []byte) (code int, reason string, ok bool) {
	if len(value) < 4 {
		return 0, "", false
	}
	return int(value[2]&7)*100 + int(value[3]), string(value[4:]), true
}
