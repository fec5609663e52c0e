// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package kill_test

import (
	"testing"
	"time"
)

// processed is how long the gateway may take from an acknowledgement of a
// receiver to the moment from when on a SIGKILL does not bring the Record again.
const processed = 500 * time.Millisecond

// SIGKILL at any moment, again and again.
func TestKillRounds(t *testing.T) { killRounds(t, 5) }

func killRounds(t *testing.T, rounds int) {
	t.Helper()
	w := newWorld(t, "", "routing: {queue_limit: 100000, queue_bytes: 1GiB}\n")
	w.Start()
	w.populate()
	for range rounds {
		w.killAfter(300*time.Millisecond + time.Duration(w.r.Int64N(int64(1500*time.Millisecond))))
		<-time.After(time.Duration(w.r.Int64N(int64(300 * time.Millisecond))))
		w.Start()
	}
	<-time.After(300 * time.Millisecond)
	w.drain(20 * time.Second)
	w.verify(processed)
}
