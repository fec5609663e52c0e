// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package kill_test

import (
	"testing"
	"time"
)

// As if the power failed: what was not synced is gone. Nothing of it has been
// acknowledged.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	powerLoss(t, 3)
}

func powerLoss(t *testing.T, rounds int) {
	t.Helper()
	d := newBlockDisk(t, 256)
	w := newWorld(t, d.data(), "engine: {min_free: 1MiB}\nrouting: {queue_limit: 100000, queue_bytes: 1GiB}\n")
	d.use(w.Process)
	w.Start()
	w.populate()
	for range rounds {
		<-time.After(300*time.Millisecond + time.Duration(w.r.Int64N(int64(time.Second))))
		w.l.failing()
		d.fail()
		w.Kill()
		w.l.killed()
		d.again()
		w.Start()
	}
	w.drain(20 * time.Second)
	w.verify(time.Hour) // that a Record was taken out need not be on disk
	w.Kill()
}
