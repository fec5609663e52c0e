// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"hash/fnv"

	"github.com/uspgate/uspgate/usp"
)

// shard is one BUF stream, and as a log what of it still counts.
type shard struct {
	stream string
	last   uint64 // the last message acknowledged; only the goroutine of await has it

	// The rest is under Queue.mu, and only of a log.
	head    uint64 // the first message of msgs; all before it are done with
	msgs    []message
	live    int64  // bytes of items that wait
	total   int64  // of msgs
	freed   int64  // of messages that head has left, since the last purge
	cleared uint64 // what head was when the marks of all that is gone had been written
}

// message is what is known of one in the log.
type message struct{ items, bytes uint32 }

// shardOf is where the Lanes of an address are.
func (q *Queue) shardOf(to usp.Address) *shard {
	if len(q.shards) == 1 {
		return q.shards[0]
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(to.ID)) // it never fails
	return q.shards[h.Sum32()%uint32(len(q.shards))]
}

// hold counts an item at p, in a message of bytes bytes.
func (s *shard) hold(p place, bytes int) {
	m := s.note(p.msg, bytes)
	m.items++
	s.live += int64(p.size)
}

// note makes a message known.
func (s *shard) note(msg uint64, bytes int) *message {
	if len(s.msgs) == 0 {
		s.head = max(s.head, msg)
	}
	for msg-s.head >= uint64(len(s.msgs)) {
		s.msgs = append(s.msgs, message{})
	}
	m := &s.msgs[msg-s.head]
	if m.bytes == 0 {
		m.bytes = uint32(bytes)
		s.total += int64(bytes)
	}
	return m
}

// release counts that the item at p is not needed any more.
func (s *shard) release(p place) {
	s.live -= int64(p.size)
	s.msgs[p.msg-s.head].items--
	s.advance()
}

// advance leaves the messages at the head of which nothing is needed.
func (s *shard) advance() {
	n := 0
	for n < len(s.msgs) && s.msgs[n].items == 0 {
		s.total -= int64(s.msgs[n].bytes)
		s.freed += int64(s.msgs[n].bytes)
		n++
	}
	s.head += uint64(n)
	if s.msgs = s.msgs[n:]; len(s.msgs) == 0 {
		s.msgs = nil
	}
}
