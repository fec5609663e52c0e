// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/uspgate/uspgate/routing/buffer"
)

// WithSync has f called where a file or directory is to be fsynced.
func (o Options) WithSync(f func(name string) error) Options {
	o.sync = f
	return o
}

// WithAnswerWait has an answer of the store waited for so long.
func (o Options) WithAnswerWait(d time.Duration) Options {
	o.answerWait = d
	return o
}

// Disconnect ends the connection with the store, which is made anew.
func (e *Engine) Disconnect() error { return e.conn.ForceReconnect() }

// SyncFile is the real fsync.
func SyncFile(name string) error { return syncFile(name) }

// WithTending has the log and the marks of a Queue kept small sooner: looked at so often, purged
// from so many bytes on, with so many dead ones borne, and with so many of marks.
func (o Options) WithTending(every time.Duration, purge, dead, marks int64) Options {
	o.tending = tending{every: every, purgeBytes: purge, deadBytes: dead, markBytes: marks}
	return o
}

// JetStream is what the Engine stores with.
func (e *Engine) JetStream() jetstream.JetStream { return e.js }

// Cut ends the connection of the Engine, as the end of its process does.
func (e *Engine) Cut() { e.conn.Close() }

// Streams of a Queue.
const (
	LogStream  = logStream
	MarkStream = logMarks
)

// Message returns the sequence of the message in which an item waits, 0 if it does not.
func (q *Queue) Message(lane buffer.Lane, seq uint64) uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.g.Line(lane)
	if l == nil {
		return 0
	}
	for _, e := range l.Entries() {
		if e.Seq == seq {
			return e.Ref.msg
		}
	}
	return 0
}
