// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e

// Jump has the current context be far on: its next Record has the sequence_id next,
// and expected is what the other side's has.
func (s *Session) Jump(next, expected uint64) { s.cur.out.next, s.cur.in.expected = next, expected }

// Held is what the Session has in memory: Records sent, Records that came too early,
// and bytes of an incomplete Message.
func (s *Session) Held() (sent, early, part int) {
	return len(s.cur.out.kept), len(s.cur.in.early), len(s.cur.in.part)
}
