// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package buffer

import "time"

// Drop is one or several Records of a Lane that were given up while they waited.
type Drop struct {
	Lane    Lane
	Seq     uint64 // of the first
	Records int    // with the Seqs that follow, where it is more than one
	Bytes   int64  // 0: not known
	Reason  Reason
	At      time.Time // of the Drop
}

// Lister is a Queue that remembers what it has dropped last. All
// implementations here do.
type Lister interface {
	// Dropped lists the last 1,000 Drops, oldest first.
	Dropped() []Drop
}

// maxDrops bounds Dropped.
const maxDrops = 1000

// drops is a ring of the last of them.
type drops struct {
	ring []Drop
	next int
}

func (d *drops) add(drop Drop) {
	if len(d.ring) < maxDrops {
		d.ring = append(d.ring, drop)
		return
	}
	d.ring[d.next] = drop
	d.next = (d.next + 1) % maxDrops
}

func (d *drops) list() []Drop {
	return append(append(make([]Drop, 0, len(d.ring)), d.ring[d.next:]...), d.ring[:d.next]...)
}

// Missing notes Records that should have been in the store.
func (g *Ledger[R]) Missing(lane Lane, seq uint64, records int, now time.Time) {
	g.m.Dropped(ReasonDamaged, records)
	g.drops.add(Drop{Lane: lane, Seq: seq, Records: records, Reason: ReasonDamaged, At: now})
}
