// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"testing"

	"github.com/uspgate/uspgate/internal/cluster"
	"github.com/uspgate/uspgate/internal/cluster/bustest"
	"github.com/uspgate/uspgate/internal/engine"
)

func TestBus(t *testing.T) {
	t.Parallel()
	e, err := engine.Open(t.Context(), engine.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatalf("Open: got %v, want nil", err)
	}
	t.Cleanup(e.Close)
	bustest.Run(t, func(*testing.T) func() cluster.Bus { return e.Bus })
}
