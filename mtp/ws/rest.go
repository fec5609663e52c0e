// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws

import "time"

// tick is the keeper's visit, once per keep-alive interval [R-WS.17].
func (l *link) tick() {
	seq := l.wire.seq.Load()
	if seq&1 == 1 && seq == l.seq {
		l.expire(errStalled)
		return
	}
	l.seq = seq
	if l.opts.KeepAlive < 0 {
		return
	}
	if l.wire.activity.Load() == activityAccepting || l.wire.activity.CompareAndSwap(activityHeard, activityQuiet) {
		l.silent = 0
	} else if l.silent++; l.silent > 2 {
		l.expire(errSilent)
		return
	}
	l.mu.Lock()
	l.pings = true
	l.mu.Unlock()
	l.box.Poke()
}

// expire drops a peer that does not answer.
func (l *link) expire(cause error) {
	l.ending.Because(&networkError{"keep alive", cause})
	l.wire.kill()
}

// look is the keeper's, more often than tick. A reader that has had something to
// do since it began, and nothing since the last look, is woken to go on with a
// small stack.
func (l *link) look() {
	l.mu.Lock()
	defer l.mu.Unlock()
	waits := l.wire.waits.Load()
	idle := waits&1 == 0 && waits == l.seen
	l.seen = waits
	if !idle || waits == l.fresh || l.finished || l.over || l.resting.Load() {
		return
	}
	l.resting.Store(true)
	if l.wire.waits.Load() != waits { // busy by now, and it may not have seen that it is to rest
		l.resting.Store(false)
		return
	}
	_ = l.wire.SetReadDeadline(time.Unix(1, 0)) // fails only if the connection is gone already
}

// rest reports whether the reader was woken to rest, and lets it wait again.
func (l *link) rest() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.resting.Load() {
		return false
	}
	l.resting.Store(false)
	deadline := time.Time{}
	if l.finished {
		deadline = time.Now().Add(l.opts.CloseTimeout)
	}
	return l.wire.SetReadDeadline(deadline) == nil
}

// begin notes that the reader has begun anew.
func (l *link) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fresh = l.wire.waits.Load()
}

// stopResting keeps the keeper from touching the deadline any more.
func (l *link) stopResting() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
}
