// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"hash/fnv"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/usp"
)

// adopter looks for Virtual Agents whose node has died.
type adopter struct{ bell chan struct{} }

// adoptAgain is how soon the adopter looks again at what could not be adopted.
const adoptAgain = 3 * time.Second

// adoptRounds is how often it looks again after a death: an address that Records
// wait for may have been claimed by another node than its heir.
const adoptRounds = 2

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
	select {
	case <-n.owners.ready:
	case <-ctx.Done():
		return
	}
	rounds := adoptRounds
	for {
		again := 10 * n.o.Lease // for those whose heir has died meanwhile
		if rounds > 0 {
			rounds--
			again = adoptAgain
		}
		if n.alive() == nil {
			again = n.o.Lease / 10
		} else if err := n.o.Adopt(ctx, n.inherits); err != nil && ctx.Err() == nil {
			n.log.Warn("Virtual Agents that nobody serves could not be adopted", zap.Error(err))
			again = adoptAgain
		}
		t := time.NewTimer(again)
		select {
		case <-n.adopter.bell:
			rounds = adoptRounds
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// inherits reports that nobody who lives owns a, and that it is this node's to
// adopt.
func (n *Node) inherits(a usp.Address) bool {
	own := n.owners.Owner(a)
	return (own.Node == "" || !own.Alive) && n.heir(a) == n.o.Name
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
