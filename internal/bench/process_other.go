// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package bench

import (
	"errors"
	"time"
)

// ProcessCPU is the CPU time that a process has used; it is known on Linux only.
func ProcessCPU(int) (time.Duration, error) {
	return 0, errors.New("bench: the CPU time of another process is known on Linux only")
}
