// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing_test

import (
	"fmt"
	"runtime"
	"strconv"
	"testing"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/usp"
)

// sink is a Link that delivers at once and keeps nothing.
type sink struct {
	port mtp.Port
	acks int
}

func (s *sink) Enqueue(_ usp.Record, _ mtp.Hint, t mtp.Token) error {
	s.port.Settled(t, nil)
	return nil
}
func (s *sink) Ack(mtp.Token, error) { s.acks++ }
func (s *sink) Close(error)          {}

// fleet is a Router with a Controller and n Agents, of which some have Links of
// their own and the rest are behind one shared Link.
func fleet(tb testing.TB, n int) (*routing.Router, *sink, []usp.Record) {
	tb.Helper()
	r := newRouter(tb, routing.Options{})
	c, shared := &sink{}, &sink{}
	join := func(s *sink, p mtp.Peer) {
		port, err := r.LinkUp(s, p)
		if err != nil {
			tb.Fatal(err)
		}
		s.port = port
	}
	join(c, controllerPeer(controllerID))
	join(shared, mtp.Peer{Kind: mtp.Virtual, Role: usp.RoleAgent, Shared: true, Identity: mtp.Identity{Any: true}})
	recs := make([]usp.Record, 64)
	for i := range n {
		id := usp.EndpointID(fmt.Sprintf("os::012345-%08d", i))
		if err := shared.port.Bind(usp.Address{ID: id, Role: usp.RoleAgent}, mtp.Hint{}); err != nil {
			tb.Fatal(err)
		}
		if i < len(recs) {
			rec, err := usp.NewRecord(append([]byte(nil), raw(controllerID, id)...))
			if err != nil {
				tb.Fatal(err)
			}
			recs[i] = rec
		}
	}
	for i := range recs {
		recs[i] = recs[i%min(n, len(recs))]
	}
	tb.Cleanup(func() {
		c.port.Down(nil)
		shared.port.Down(nil)
	})
	return r, c, recs
}

func raw(from, to usp.EndpointID) []byte {
	rec := msg(from, to, string(make([]byte, 400)))
	return rec.Bytes()
}

var sizes = []int{10, 100_000}

func BenchmarkRelay(b *testing.B) {
	for _, n := range sizes {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			_, c, recs := fleet(b, n)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				c.port.Accept(recs[i%len(recs)], mtp.Hint{}, mtp.Token(i))
				i++
			}
		})
	}
}

func TestRelayDoesNotAllocate(t *testing.T) {
	for _, n := range sizes {
		_, c, recs := fleet(t, n)
		i := 0
		got := testing.AllocsPerRun(2000, func() {
			c.port.Accept(recs[i%len(recs)], mtp.Hint{}, mtp.Token(i))
			i++
		})
		if got > 0 {
			t.Errorf("got %v allocations per Record among %d addresses, want 0", got, n)
		}
		if c.acks != i {
			t.Errorf("got %d acknowledgements, want %d", c.acks, i)
		}
	}
}

// TestAddressesAreSmall holds the memory of an address that is bound and idle.
func TestAddressesAreSmall(t *testing.T) {
	const n = 20_000
	got := heapGrowth(func() any {
		r, _, _ := fleet(t, n)
		return r
	}) / n
	if got > 900 {
		t.Errorf("got %d bytes per bound address, want at most 900", got)
	}
	t.Logf("%d bytes per bound address", got)
}

// heapGrowth is by how many bytes the heap has grown with what f returns.
func heapGrowth(f func() any) int {
	var before, after runtime.MemStats
	for range 3 { // what earlier tests have left goes with the second
		runtime.GC()
	}
	runtime.ReadMemStats(&before)
	kept := f()
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(kept)
	return int(after.HeapAlloc) - int(before.HeapAlloc)
}
