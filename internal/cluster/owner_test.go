// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/uspgate/uspgate/internal/cluster"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/usp"
)

// 200,000 addresses cost little, and none of them keeps what it came in.
func TestOwnersAreSmall(t *testing.T) { //nolint:paralleltest // it looks at the memory of the process
	const n, limit = 200_000, 300
	o := newTown(t)
	options, _, _ := o.options("a")
	node, err := cluster.New(t.Context(), options)
	if err != nil {
		t.Fatalf("New: got %v, want nil", err)
	}
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range n {
		a := usp.Address{ID: usp.EndpointID(fmt.Sprintf("os::00D09E-SERIAL%08d", i)), Role: usp.RoleAgent}
		cluster.See(node.Peers(), a, uint64(i+1), "b", 1, routing.Info{
			State: routing.Online, Up: true, MTP: mtp.Virtual, Listener: "translate", Leg: 1,
		})
	}
	each := (heap() - before) / n
	t.Logf("%d bytes for each address", each)
	if each > limit {
		t.Errorf("an address costs %d bytes, want at most %d", each, limit)
	}
	count := 0
	node.Peers().Each(func(usp.Address, routing.Ownership) { count++ })
	if count != n {
		t.Errorf("Each: got %d, want %d", count, n)
	}
}
