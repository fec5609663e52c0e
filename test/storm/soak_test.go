// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

//go:build soak

package storm_test

import (
	"testing"
	"time"
)

// The figures that issue 5 wants, on two processors.
func TestSoakOutage(t *testing.T) {
	outage(t, storm{
		cpe: 20_000, within: time.Minute, resident: 600 << 20, served: 3 * time.Minute, answer: 3 * time.Second,
	})
}
