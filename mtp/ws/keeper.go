// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws

import (
	"cmp"
	"context"
	"math"
	"sync"
	"time"
)

// keeperSlots is over how many ticks per interval a keeper spreads its Links.
const keeperSlots = 32

// lookInterval is how often a keeper looks for readers that could rest.
const lookInterval = 8 * time.Second

// keeper visits every Link of a server once per keep-alive interval: one
// ticker and one goroutine for all of them.
type keeper struct {
	looking time.Duration // 0: lookInterval

	mu    sync.Mutex
	slots [keeperSlots]map[*link]struct{}
	next  int
}

func (k *keeper) add(l *link) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.next = (k.next + 1) % keeperSlots
	l.slot = k.next
	if k.slots[l.slot] == nil {
		k.slots[l.slot] = make(map[*link]struct{})
	}
	k.slots[l.slot][l] = struct{}{}
}

func (k *keeper) remove(l *link) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.slots[l.slot], l)
}

// each calls f for every Link of a slot; f must not block.
func (k *keeper) each(slot int, f func(*link)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for l := range k.slots[slot] {
		f(l)
	}
}

func (k *keeper) all(f func(*link)) {
	for slot := range keeperSlots {
		k.each(slot, f)
	}
}

// run ticks until ctx ends.
func (k *keeper) run(ctx context.Context, interval time.Duration) {
	ticker := time.NewTicker(max(interval/keeperSlots, time.Millisecond))
	defer ticker.Stop()
	looker := time.NewTicker(cmp.Or(k.looking, lookInterval) / keeperSlots)
	defer looker.Stop()
	for slot, look := 0, 0; ; {
		select {
		case <-ticker.C:
			k.each(slot, (*link).tick)
			slot = (slot + 1) % keeperSlots
		case <-looker.C:
			k.each(look, (*link).look)
			look = (look + 1) % keeperSlots
		case <-ctx.Done():
			return
		}
	}
}

// keep visits the one Link of a client until stop is called; it needs no
// goroutine that stands.
func keep(l *link, interval time.Duration) (stop func()) {
	looks := max((interval+lookInterval-1)/lookInterval, 1) // per interval
	var mu sync.Mutex
	var n time.Duration
	stopped := false
	var timer *time.Timer
	timer = time.AfterFunc(math.MaxInt64, func() {
		mu.Lock()
		defer mu.Unlock()
		if stopped {
			return
		}
		if n = (n + 1) % looks; n == 0 {
			l.tick()
		}
		l.look()
		timer.Reset(interval / looks)
	})
	mu.Lock()
	defer mu.Unlock()
	timer.Reset(interval / looks)
	return func() {
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		timer.Stop()
	}
}
