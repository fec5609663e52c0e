// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/device"
)

// sweepsPerIdle is how often in Options.Idle it is looked for Agents to put to
// sleep.
const sweepsPerIdle = 4

// sweepLater has sweep run now and then.
func (h *Host) sweepLater() {
	if h.opts.Keeper == nil {
		return
	}
	h.after(h.opts.Idle/sweepsPerIdle, func() {
		h.spawn(func(ctx context.Context) {
			h.sweep(ctx)
			h.sweepLater()
		})
	})
}

// sweep puts to sleep who has been idle for long, and, where they are too large
// together, who was used longest ago. Who has something in hand is passed over.
func (h *Host) sweep(ctx context.Context) { h.sweepFor(ctx, 0) }

// sweepFor also makes room for others.
func (h *Host) sweepFor(ctx context.Context, others int) {
	r := &h.registry
	r.mu.Lock()
	left := r.awake.Len() // who is looked at gets to the front, or out
	r.mu.Unlock()
	for ; left > 0 && ctx.Err() == nil; left-- {
		e, a := h.candidate(others > 0)
		if e == nil {
			return
		}
		if h.putToSleep(e, a) {
			others--
		}
	}
}

// candidate returns the Agent that was used longest ago, if it is to be put to
// sleep.
func (h *Host) candidate(crowded bool) (*entry, *Agent) {
	r := &h.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.awake.Back()
	if last == nil {
		return nil, nil
	}
	e, _ := last.Value.(*entry)
	crowded = crowded || r.bytes > h.opts.MaxAwakeBytes
	if !crowded && time.Since(e.used) < h.opts.Idle {
		return nil, nil
	}
	r.awake.MoveToFront(last) // the next time, the next one
	return e, e.agent
}

// putToSleep takes an Agent out of memory, unless it has something in hand or what
// it has to remember cannot be saved.
func (h *Host) putToSleep(e *entry, a *Agent) bool {
	if !a.isIdle() {
		h.weigh(e, a)
		return false
	}
	a.compose()
	if err := a.keepTree(); err != nil {
		h.log.Warn("a Virtual Agent stays in memory because it cannot be saved",
			zap.String("endpoint_id", string(e.id)), zap.Error(err))
		return false
	}
	r := &h.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.agent != a {
		return false
	}
	alarm, by, ok := a.rest()
	if !ok {
		return false
	}
	e.contexts = a.restContexts()
	e.agent, e.slept, e.seen, e.rest = nil, time.Now(), a.seen, by
	h.noteFirmware(e, a.boot.firmware)
	r.awake.Remove(e.place)
	r.bytes -= e.bytes
	e.place, e.bytes = nil, 0
	if !alarm.IsZero() {
		h.setAlarm(e, alarm)
	}
	<-r.slots
	h.metrics.awake.Dec()
	return true
}

// weigh takes note of how large an Agent is by now.
func (h *Host) weigh(e *entry, a *Agent) {
	n := a.size()
	r := &h.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.agent == a {
		r.bytes += n - e.bytes
		e.bytes = n
	}
}

// keepAll saves what is not saved yet of the Agents in memory, before the Host
// ends.
func (h *Host) keepAll() {
	if h.opts.Keeper == nil {
		return
	}
	r := &h.registry
	var all []*Agent
	r.mu.Lock()
	for p := r.awake.Front(); p != nil; p = p.Next() {
		if e, ok := p.Value.(*entry); ok {
			all = append(all, e.agent)
		}
	}
	r.mu.Unlock()
	const workers = 16
	work := make(chan *Agent)
	var wg sync.WaitGroup
	for range min(workers, len(all)) {
		wg.Go(func() {
			for a := range work {
				a.compose()
				if err := a.keepTree(); err != nil {
					h.log.Error("a Virtual Agent is not saved", zap.Error(err))
				}
			}
		})
	}
	for _, a := range all {
		work <- a
	}
	close(work)
	wg.Wait()
}

// isIdle is a first look; rest decides.
func (a *Agent) isIdle() bool {
	a.lock()
	defer a.unlock()
	return a.idle()
}

// idle reports that the Agent has nothing in hand. The lock is held.
func (a *Agent) idle() bool {
	return len(a.lanes.inFlight) == 0 && !a.inSession && !a.disc.running && !a.attrs.running &&
		!a.transfers.busy && !a.transfers.fetching && a.bulk.running == 0 &&
		len(a.reading) == 0 && len(a.making.tables) == 0 && !a.contextsBusy() && (a.view == nil || a.view.Settled())
}

// rest makes the Agent one that has left the memory, if it may, and returns when it
// has to be back, zero for never, and by what the Informs are told that need not wake it.
func (a *Agent) rest() (alarm time.Time, by device.Rest, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	by = a.sleepsBy()
	if !a.idle() || a.posting || len(a.posted) > 0 || len(a.outcomes) > 0 || a.saving.storing > 0 ||
		a.saving.dirty || a.saving.rest != a.lasting(by) || a.inst.Revision() != a.saving.instances ||
		a.view != nil && a.revision() != a.saving.planted {
		return time.Time{}, by, false
	}
	if !a.dev.Retire() {
		return time.Time{}, by, false
	}
	a.asleep = true
	return a.silence(), by, true
}

// Resting is for device.Options.Resting.
func (h *Host) Resting(id cwmp.DeviceID) device.Rest {
	r := &h.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.find(id.Key())
	if e == nil || e.agent != nil || e.rising != nil {
		return device.Rest{}
	}
	return e.rest
}

// Renew is for device.Options.Renew.
func (h *Host) Renew(id cwmp.DeviceID, was, now device.Rest) {
	r := &h.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.find(id.Key()); e != nil && e.agent == nil && e.rising == nil && e.rest == was {
		e.rest = now
	}
}

// Rough bytes of an Agent, and of one object or parameter of its CPE.
const (
	agentBytes = 16 << 10
	nodeBytes  = 320
)

// size is about how many bytes the Agent has.
func (a *Agent) size() int64 {
	a.lock()
	defer a.unlock()
	n := int64(agentBytes)
	switch {
	case a.view == nil:
	case a.view.Folded() > 0:
		n += int64(a.view.Folded())
	default:
		nodes, _ := a.view.Size()
		n += int64(nodes) * nodeBytes
	}
	for _, c := range a.contexts {
		n += int64(c.Size())
	}
	return n
}
