// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package kill_test

import (
	"testing"
	"time"
)

// processed is how long the gateway may take from an acknowledgement of a
// receiver to the moment from when on a SIGKILL does not bring the Record again. It
// takes some 50 ms; this is for a machine that has other things to do.
const processed = time.Second

// SIGKILL at any moment, again and again.
func TestKillRounds(t *testing.T) { killRounds(t, 5) }

func killRounds(t *testing.T, rounds int) {
	t.Helper()
	w := newWorld(t, "", "routing: {queue_limit: 100000, queue_bytes: 1GiB}\n")
	w.kills(rounds, 300*time.Millisecond, 1800*time.Millisecond)
	for _, f := range w.l.flows {
		if len(f.sent) < 3 {
			t.Errorf("%s to %s: only %d Records: not much of a test", f.from, f.to, len(f.sent))
		}
	}
}

// The same with queues that are full most of the time: what is refused is
// repeated, and may come behind what is not.
func TestKillRoundsFull(t *testing.T) { killRoundsFull(t, 3) }

func killRoundsFull(t *testing.T, rounds int) {
	t.Helper()
	w := newWorld(t, "", "routing: {queue_limit: 20}\n")
	w.full = true
	w.kills(rounds, time.Second, 4*time.Second) // a Record is held for 2 s before it is refused
	if len(w.l.refusals) == 0 {
		t.Error("got no refusals: were the queues full?")
	}
}

// kills starts the gateway, kills it some times, each after least to most, and
// checks the ledger.
func (w *world) kills(rounds int, least, most time.Duration) {
	w.t.Helper()
	w.Start()
	w.populate()
	for range rounds {
		w.killAfter(least + time.Duration(w.r.Int64N(int64(most-least))))
		<-time.After(time.Duration(w.r.Int64N(int64(300 * time.Millisecond))))
		w.Start()
	}
	<-time.After(300 * time.Millisecond)
	w.drain(20 * time.Second)
	w.verify(processed)
	w.t.Logf("refusals: %v", w.l.refusals)
}
