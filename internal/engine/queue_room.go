// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"time"

	"github.com/uspgate/uspgate/routing/buffer"
)

// Fits implements buffer.Roomer.
func (q *Queue) Fits(lane buffer.Lane, size int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.e.Ready() != nil || q.bytes > 0 && q.bytes+size > q.o.MaxPending {
		q.g.Want()
		return buffer.ErrFull
	}
	return q.g.Fits(lane, size, time.Now())
}

// Room implements buffer.Roomer. Of free space on the disk it does not tell: who
// waits for that has to try.
func (q *Queue) Room() <-chan struct{} { return q.g.Room() }
