// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package enginetest_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/uspgate/uspgate/internal/engine/enginetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Servers find each other, one of them leads, and one that was killed comes back
// where it was.
func TestCluster(t *testing.T) {
	t.Parallel()
	c := enginetest.New(t, 3)
	leader := c.Leader()
	if leader < 0 {
		t.Fatal("nobody leads a cluster that is ready")
	}
	c.Kill(leader)
	c.WaitReady()
	if got := c.Leader(); got < 0 || got == leader {
		t.Errorf("Leader: got %d, want one of the two that are left", got)
	}
	c.Start(leader)
	c.WaitReady()
}
