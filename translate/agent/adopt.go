// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/usp"
)

// Adopt takes in those of whom the Keeper has for whom mine is true, as Load does at
// the start, and calls f for each that is new: another process has served them
// until now. It may be called while the Host runs, once at a time.
func (h *Host) Adopt(ctx context.Context, mine func(usp.EndpointID) bool, f func(usp.EndpointID) error) error {
	if h.opts.Keeper == nil {
		return nil
	}
	h.recovered.Store(false) // see Settle
	now, n := time.Now(), 0
	err := h.opts.Keeper.Each(func(k Kept) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		h.Learn(Access{Agent: k.EndpointID, Grants: k.Grants, Demands: k.Demands}) // its Controllers may come here
		if !mine(k.EndpointID) {
			return nil
		}
		h.registry.mu.Lock()
		known := h.registry.byID[k.EndpointID] != nil
		if !known {
			e := h.registry.add(k.EndpointID, k.Identity)
			h.noteFirmware(e, k.Firmware)
			if at := next(k.Wakes, now); !at.IsZero() {
				if !at.After(now) { // what is overdue does not come all at once
					at = now.Add(rand.N(10 * time.Second))
				}
				h.setAlarm(e, at)
			}
			n++
		}
		h.registry.mu.Unlock()
		return f(k.EndpointID)
	})
	if err != nil {
		return fmt.Errorf("agent: adopting: %w", err)
	}
	if n > 0 {
		h.log.Info("Virtual Agents adopted", zap.Int("agents", n), zap.Duration("took", time.Since(now)))
	}
	return nil
}

// Settle answers requests that another process has left unanswered, as those of an
// earlier one are at the start. The Journal has them by now. It follows each Adopt:
// what was asked for before does not leave until it has returned nil.
func (h *Host) Settle(ctx context.Context, left map[device.Key]device.State) error {
	var failed error
	for key, state := range left {
		if err := ctx.Err(); err != nil {
			return errors.Join(failed, err)
		}
		failed = errors.Join(failed, h.settleLeft(ctx, key, state))
	}
	if failed == nil {
		h.recovered.Store(true)
	}
	return failed
}

// Leave has an Agent not be served here any more, as another process does. What is
// in hand comes to its end, and nothing of it is saved.
func (h *Host) Leave(id usp.EndpointID) {
	r := &h.registry
	r.mu.Lock()
	e := r.byID[id]
	if e == nil || e.rising != nil {
		r.mu.Unlock()
		return
	}
	a := e.agent
	delete(r.byID, id)
	if r.named[e.identity.Key()] == e {
		delete(r.named, e.identity.Key())
	}
	h.timers.stop(e.alarm)
	e.agent, e.alarm = nil, nil
	if e.place != nil {
		r.awake.Remove(e.place)
		r.bytes -= e.bytes
		e.place, e.bytes = nil, 0
		if h.opts.Keeper != nil {
			<-r.slots
		}
		h.metrics.awake.Dec()
	}
	r.mu.Unlock()
	if a != nil {
		a.leave()
	}
}

// leave has the Agent be one that has left the memory.
func (a *Agent) leave() {
	a.lock()
	defer a.unlock()
	a.asleep = true
	a.saving.dirty = false
	a.host.timers.stop(a.saving.flush)
	a.saving.flush = nil
	a.silence()
	a.dev.Retire() // if it can
}
