// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// beatTick is how exact the keeper is. It is a fifth of minHeartBeat.
	beatTick = 200 * time.Millisecond
	// keeperSlots is over how many ticks it spreads its Links.
	keeperSlots = 256
	// lateness is after how many silent intervals a peer is gone: Agents send
	// their heart-beats late.
	lateness = 2
)

var errSilent = errors.New("stomp: no sign of life in more than two heart-beat intervals")

// keeper gives and watches the heart-beats of all Links of a transport: one
// ticker and one goroutine for all of them. It is a wheel: a Link stands in the
// slot of its next visit.
type keeper struct {
	mu    sync.Mutex
	now   int64 // ticks since run began
	slots [keeperSlots][]*core
}

// pulse is the keeper's part of a Link. All but the first two fields, which are
// set before, belong to the keeper.
type pulse struct {
	send, receive         int64 // ticks between visits; 0: none
	slot, index           int
	nextSend, nextReceive int64
	silent                int
	kept                  bool
}

// newPulse looks after what is to be sent two and a half times per interval, so
// that a sign of life that has just been missed is still early enough.
func newPulse(r rhythm) pulse {
	p := pulse{receive: int64((r.receive + beatTick - 1) / beatTick)}
	if r.send > 0 {
		p.send = max(int64(r.send*2/5/beatTick), 1)
	}
	return p
}

// due is the tick of the next visit.
func (p *pulse) due() int64 {
	switch {
	case p.send == 0:
		return p.nextReceive
	case p.receive == 0:
		return p.nextSend
	default:
		return min(p.nextSend, p.nextReceive)
	}
}

// add takes a Link in, if there is anything to do for it.
func (k *keeper) add(c *core) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := &c.pulse
	if p.send == 0 && p.receive == 0 {
		return
	}
	p.nextSend, p.nextReceive = k.now+p.send, k.now+p.receive
	p.kept = true
	k.place(c)
}

// place puts a Link into its slot; k.mu is held.
func (k *keeper) place(c *core) {
	slot := int(c.pulse.due() % keeperSlots)
	c.pulse.slot, c.pulse.index = slot, len(k.slots[slot])
	k.slots[slot] = append(k.slots[slot], c)
}

// remove takes a Link out.
func (k *keeper) remove(c *core) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c.pulse.kept {
		c.pulse.kept = false
		k.displace(c)
	}
}

// displace takes a Link out of its slot; k.mu is held.
func (k *keeper) displace(c *core) {
	slot, index := k.slots[c.pulse.slot], c.pulse.index
	last := len(slot) - 1
	slot[index] = slot[last]
	slot[index].pulse.index = index
	slot[last] = nil
	k.slots[c.pulse.slot] = slot[:last]
}

// run ticks until ctx ends.
func (k *keeper) run(ctx context.Context) {
	ticker := time.NewTicker(beatTick)
	defer ticker.Stop()
	k.mu.Lock()
	begin := time.Now().Add(-time.Duration(k.now) * beatTick)
	k.mu.Unlock()
	for {
		select {
		case <-ticker.C:
			for target := int64(time.Since(begin) / beatTick); k.tick(target); {
			}
		case <-ctx.Done():
			return
		}
	}
}

// tick visits the Links that are due and reports whether it is behind target.
func (k *keeper) tick(target int64) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.now >= target {
		return false
	}
	k.now++
	slot := int(k.now % keeperSlots)
	for i := len(k.slots[slot]) - 1; i >= 0; i-- {
		c := k.slots[slot][i]
		if c.pulse.due() > k.now {
			continue // in another turn of the wheel
		}
		k.displace(c)
		if c.visit(k.now) {
			k.place(c)
		} else {
			c.pulse.kept = false
		}
	}
	return k.now < target
}

// visit sends a heart-beat if nothing else has been sent, looks for those of
// the peer, and reports whether there may be another visit. It does not block.
func (c *core) visit(now int64) bool {
	p := &c.pulse
	if p.send > 0 && p.nextSend <= now {
		p.nextSend = now + p.send
		if !c.conn.wrote.Swap(false) {
			c.flow.heartBeat()
		}
	}
	if p.receive > 0 && p.nextReceive <= now {
		p.nextReceive = now + p.receive
		// In Port.Accept it is us who do not listen.
		if c.conn.heard.Swap(false) || c.accepting.Load() {
			p.silent = 0
		} else if p.silent++; p.silent >= lateness {
			c.flow.fail(errSilent)
			return false
		}
	}
	return true
}
