// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"errors"
	"testing"

	"github.com/uspgate/uspgate/test/harness"
)

// A Controller that was added by way of one node is let in at the other, and there no more
// once it is removed.
func TestNodesKnowAddedControllers(t *testing.T) {
	t.Parallel()
	a, b := twoNodes(t, "controllers: [{endpoint_id: self::noc}]\n")
	cpe := a.CPE("tr181-wifi", nil)
	ctx := deadline(t)
	noc := a.Controller(a.WS(), "self::noc")
	harness.Eventually(t, func() error { return readsEndpointID(ctx, noc, cpe.Agent) })
	row, err := addController(ctx, noc, cpe.Agent, "self::added")
	if err != nil {
		t.Fatal(err)
	}
	added := b.Controller(b.WS(), "self::added")
	harness.Eventually(t, func() error { return readsEndpointID(ctx, added, cpe.Agent) })
	if _, err := noc.Delete(ctx, cpe.Agent, false, row); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, func() error {
		if readsEndpointID(ctx, added, cpe.Agent) == nil {
			return errors.New("it is still let in")
		}
		return nil
	})
}
