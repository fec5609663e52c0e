// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"testing"

	"github.com/uspgate/uspgate/internal/cluster"
	"github.com/uspgate/uspgate/internal/cluster/bustest"
)

func TestMemoryBus(t *testing.T) {
	t.Parallel()
	bustest.Run(t, func(*testing.T) func() cluster.Bus {
		hub := cluster.NewMemoryHub()
		return func() cluster.Bus { return hub.Bus() }
	})
}
