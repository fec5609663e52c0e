// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"hash/fnv"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// AdoptFunc has the Virtual Agent of an address served by this node.
type AdoptFunc func(ctx context.Context, a usp.Address) error

// adopter looks for Virtual Agents whose node has died.
type adopter struct{ bell chan struct{} }

// adoptAgain is how soon the adopter looks again at what could not be adopted.
const adoptAgain = 2 * time.Second

func (n *Node) wakeAdopter() {
	select {
	case n.adopter.bell <- struct{}{}:
	default:
	}
}

// adopt has the Virtual Agents of dead nodes served again, each by one of those
// that live: timers and waiting requests go on there. Real Endpoints need nobody:
// they connect again, or are written to.
func (n *Node) adopt(ctx context.Context) {
	if n.o.Adopt == nil {
		return
	}
	for {
		again := 10 * n.o.Lease // for those whose heir has died meanwhile
		if n.alive() != nil && n.adoptAll(ctx) {
			again = adoptAgain
		}
		t := time.NewTimer(again)
		select {
		case <-n.adopter.bell:
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// adoptAll reports whether something is left.
func (n *Node) adoptAll(ctx context.Context) (left bool) {
	var list []usp.Address
	n.owners.eachOf(func(h *holder) bool { return h.dead.Load() }, func(a usp.Address, e owned) {
		if e.mtp == mtp.Virtual && n.heir(a) == n.o.Name {
			list = append(list, a)
		}
	})
	if len(list) == 0 {
		return false
	}
	n.log.Info("adopting the Virtual Agents of a node that has died", zap.Int("agents", len(list)))
	work := make(chan usp.Address)
	var group sync.WaitGroup
	var mu sync.Mutex
	for range min(n.o.MaxAdoptions, len(list)) {
		group.Go(func() {
			for a := range work {
				if err := n.o.Adopt(ctx, a); err != nil {
					n.log.Warn("a Virtual Agent could not be adopted", zap.Stringer("address", a), zap.Error(err))
					mu.Lock()
					left = true
					mu.Unlock()
				}
			}
		})
	}
	for _, a := range list {
		if ctx.Err() != nil {
			break
		}
		work <- a
	}
	close(work)
	group.Wait()
	return left
}

// heir is the node that adopts a: the same seen from all, and spread over all.
func (n *Node) heir(a usp.Address) string {
	var best string
	var most uint64
	for name := range n.living() {
		h := fnv.New64a()
		_, _ = h.Write([]byte(name))
		_, _ = h.Write([]byte{0, byte(a.Role)})
		_, _ = h.Write([]byte(a.ID))
		if w := mix(h.Sum64()); best == "" || w > most || w == most && name < best {
			best, most = name, w
		}
	}
	return best
}

// mix spreads what fnv leaves close together.
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
