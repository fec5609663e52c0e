// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package coap

// szxOf returns the SZX of a block size [RFC 7959 2.2]; false if it has none.
func szxOf(size int) (uint8, bool) {
	for szx := range uint8(7) {
		if size == 16<<szx {
			return szx, true
		}
	}
	return 0, false
}
