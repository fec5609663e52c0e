// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// ProcessCPU is the CPU time that a process has used, user and system, over all
// its threads, those that have ended included. Not its children's.
func ProcessCPU(pid int) (time.Duration, error) {
	const schedClock = 2 // the clock of a process, with the resolution of the scheduler
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|schedClock), &ts); err != nil {
		return 0, fmt.Errorf("bench: CPU time of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}
