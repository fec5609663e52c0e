// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"testing"

	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

// A mark says what was written, or is refused.
func FuzzShelfMark(f *testing.F) {
	lane := buffer.Lane{To: usp.Address{ID: "os::012345-A", Role: usp.RoleAgent}, From: "self::controller"}
	whole := &shelfMark{
		floor: 7, high: 9, spoilt: map[uint64]int{8: 2},
		lanes: map[buffer.Lane]*removed{lane: {7<<shelfShift + 3, map[uint64]struct{}{9 << shelfShift: {}}}},
	}
	f.Add(whole.encode(), uint16(0), byte(0))
	f.Add(whole.encode(), uint16(9), byte(1))
	f.Add((&shelfMark{}).encode(), uint16(4), byte(0x80))
	f.Fuzz(func(t *testing.T, b []byte, at uint16, bits byte) {
		m, err := parseShelfMark(b)
		if err != nil {
			return
		}
		again, err := parseShelfMark(m.encode())
		if err != nil || !again.same(m) {
			t.Fatalf("got %+v, %v, want %+v", again, err, m)
		}
		broken := m.encode()
		broken[int(at)%len(broken)] ^= bits
		if m, err := parseShelfMark(broken); bits != 0 && err == nil {
			t.Fatalf("got %+v of a mark with byte %d changed, want an error", m, int(at)%len(broken))
		}
	})
}
