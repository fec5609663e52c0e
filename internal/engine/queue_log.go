// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import "github.com/uspgate/uspgate/routing/buffer"

// tally is what of the log still counts. It is under Queue.mu.
type tally struct {
	head    uint64 // the first message of msgs; all before it are done with
	msgs    []message
	live    int64  // bytes of items that wait
	total   int64  // of msgs
	freed   int64  // of messages that head has left, since the last purge
	cleared uint64 // what head was when the marks of all that is gone had been written
	ended   map[buffer.Lane]ended
}

// ended is a Lane in which nothing waits, of which the log still has items: without a
// mark they would come again.
type ended struct {
	high   uint64 // the highest seq
	behind uint64 // all of them are in messages before this one
}

// message is what is known of one in the log.
type message struct{ items, bytes uint32 }

// hold counts an item at p, in a message of bytes bytes. More than one is to be
// held while the message is pinned.
func (t *tally) hold(p place, bytes int) {
	t.pin(p.msg, bytes)
	t.live += int64(p.size)
}

// pin has a message needed until it is unpinned, whatever becomes of its items.
func (t *tally) pin(msg uint64, bytes int) { t.note(msg, bytes).items++ }

// unpin undoes pin.
func (t *tally) unpin(msg uint64) {
	t.msgs[msg-t.head].items--
	t.advance()
}

// note makes a message known, which is not before those that are done with.
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
	t.unpin(p.msg)
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

// end notes a Lane that has ended, and returns the highest seq that is known of it.
func (t *tally) end(lane buffer.Lane, high uint64) uint64 {
	if t.ended == nil {
		t.ended = make(map[buffer.Lane]ended)
	}
	e := ended{high: max(high, t.ended[lane].high), behind: t.head + uint64(len(t.msgs))}
	t.ended[lane] = e
	return e.high
}

// purged notes that there is nothing before a message any more.
func (t *tally) purged(upTo uint64) {
	for lane, e := range t.ended {
		if e.behind <= upTo {
			delete(t.ended, lane)
		}
	}
}
