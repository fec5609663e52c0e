// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

// tally is what of the log still counts. It is under Queue.mu.
type tally struct {
	head    uint64 // the first message of msgs; all before it are done with
	msgs    []message
	live    int64  // bytes of items that wait
	total   int64  // of msgs
	freed   int64  // of messages that head has left, since the last purge
	cleared uint64 // what head was when the marks of all that is gone had been written
}

// message is what is known of one in the log.
type message struct{ items, bytes uint32 }

// hold counts an item at p, in a message of bytes bytes.
func (t *tally) hold(p place, bytes int) {
	m := t.note(p.msg, bytes)
	m.items++
	t.live += int64(p.size)
}

// note makes a message known.
func (t *tally) note(msg uint64, bytes int) *message {
	if len(t.msgs) == 0 {
		t.head = max(t.head, msg)
	}
	for msg-t.head >= uint64(len(t.msgs)) {
		t.msgs = append(t.msgs, message{})
	}
	m := &t.msgs[msg-t.head]
	if m.bytes == 0 {
		m.bytes = uint32(bytes)
		t.total += int64(bytes)
	}
	return m
}

// release counts that the item at p is not needed any more.
func (t *tally) release(p place) {
	t.live -= int64(p.size)
	t.msgs[p.msg-t.head].items--
	t.advance()
}

// advance leaves the messages at the head of which nothing is needed.
func (t *tally) advance() {
	n := 0
	for n < len(t.msgs) && t.msgs[n].items == 0 {
		t.total -= int64(t.msgs[n].bytes)
		t.freed += int64(t.msgs[n].bytes)
		n++
	}
	t.head += uint64(n)
	if t.msgs = t.msgs[n:]; len(t.msgs) == 0 {
		t.msgs = nil
	}
}
