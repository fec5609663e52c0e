// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

//go:build soak

package ws_test

import (
	"testing"
	"time"
)

// TestFiftyThousandLinks come up at a pace, from more source addresses than one,
// and are all there after several rounds of Pings.
func TestFiftyThousandLinks(t *testing.T) {
	t.Parallel()
	manyLinks(t, 50_000, 2000, 40*time.Second)
}
