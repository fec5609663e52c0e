// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import "testing"

// An item that leaves at once, as it was removed while it was moved or found no
// room, does not take the message from the others.
func TestTallyPin(t *testing.T) {
	t.Parallel()
	var k tally
	a, b := place{msg: 7, off: 4, size: 10}, place{msg: 7, off: 14, size: 20}
	k.pin(7, 34)
	k.hold(a, 34)
	k.release(a)
	k.hold(b, 34)
	k.unpin(7)
	if k.head != 7 || len(k.msgs) != 1 || k.live != 20 || k.total != 34 {
		t.Errorf("got head %d, %d messages, %d of %d bytes live, want 7, 1, 20 of 34", k.head, len(k.msgs), k.live, k.total)
	}
	k.release(b)
	if k.head != 8 || len(k.msgs) != 0 || k.live != 0 || k.total != 0 || k.freed != 34 {
		t.Errorf("got %+v, want nothing but what can be purged", k)
	}
}
