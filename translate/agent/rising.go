// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/translate/device"
)

// rise begins to take an Agent into memory; registry.mu is held. The caller sees to
// bringIn.
func (h *Host) rise(e *entry, d Device) *rising {
	e.rising = &rising{done: make(chan struct{}), device: d}
	return e.rising
}

// need returns the Agent of an entry, and waits until it is in memory. d, unless
// nil, is the way to its CPE.
func (h *Host) need(ctx context.Context, e *entry, d Device) (*Agent, error) {
	r := &h.registry
	r.mu.Lock()
	if a := e.agent; a != nil {
		r.touch(e)
		r.mu.Unlock()
		return a, nil
	}
	w, first := e.rising, false
	if w == nil {
		w, first = h.rise(e, d), true
	}
	r.mu.Unlock()
	if first {
		h.bringIn(ctx, e, w)
	}
	<-w.done
	return w.agent, w.err
}

// rouse takes an Agent that sleeps into memory, in the background.
func (h *Host) rouse(e *entry) {
	r := &h.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.agent != nil || e.rising != nil {
		return
	}
	w := h.rise(e, nil)
	if !h.spawn(func(ctx context.Context) { h.bringIn(ctx, e, w) }) {
		e.rising = nil
	}
}

// bringIn makes the Agent of an entry, and gives it what waits for it. It waits for
// room first.
func (h *Host) bringIn(ctx context.Context, e *entry, w *rising) {
	a, err := h.load(ctx, e, w)
	if err != nil {
		h.failed(e, w, err)
		return
	}
	r := &h.registry
	r.mu.Lock()
	for len(w.waiting) > 0 { // Deliver adds to them until the Agent can be seen
		waiting := w.waiting
		w.waiting = nil
		r.mu.Unlock()
		for _, d := range waiting {
			if err := a.take(d); err != nil {
				d.done(err)
			}
		}
		r.mu.Lock()
	}
	e.agent, e.rising, w.agent, e.rest = a, nil, a, device.Rest{}
	h.timers.stop(e.alarm)
	e.alarm = nil
	e.place = r.awake.PushFront(e)
	e.bytes = a.size()
	r.bytes += e.bytes
	r.touch(e)
	crowded := r.bytes > h.opts.MaxAwakeBytes
	unshown := e.unshown
	e.unshown = false
	r.mu.Unlock()
	if unshown {
		a.introduce()
	}
	close(w.done)
	h.metrics.awake.Inc()
	h.metrics.roused.Inc()
	if crowded {
		h.spawn(h.sweep)
	}
}

// failed ends the waiting for an Agent that cannot be had.
func (h *Host) failed(e *entry, w *rising, err error) {
	h.registry.mu.Lock()
	waiting := w.waiting
	e.rising, w.waiting, w.err = nil, nil, err
	h.registry.mu.Unlock()
	close(w.done)
	if !errors.Is(err, ErrClosed) {
		h.log.Error("a Virtual Agent cannot be taken into memory",
			zap.String("endpoint_id", string(e.id)), zap.Error(err))
	}
	for _, d := range waiting {
		d.done(err)
	}
}

// load makes the Agent of an entry from what the Keeper has.
func (h *Host) load(ctx context.Context, e *entry, w *rising) (*Agent, error) {
	if err := h.takeSlot(ctx); err != nil {
		return nil, err
	}
	a, err := h.make(e, w.device)
	if err != nil {
		<-h.registry.slots
		return nil, err
	}
	return a, nil
}

// takeSlot waits until one more Agent may be in memory.
func (h *Host) takeSlot(ctx context.Context) error {
	if h.opts.Keeper == nil { // nobody would make room
		return nil
	}
	select {
	case h.registry.slots <- struct{}{}:
		return nil
	default:
	}
	again := time.NewTicker(lookForRoom)
	defer again.Stop()
	for {
		h.sweepFor(ctx, 1)
		select {
		case h.registry.slots <- struct{}{}:
			return nil
		case <-again.C:
		case <-h.ended:
			return ErrClosed
		case <-ctx.Done():
			return ErrClosed
		}
	}
}

// lookForRoom is how often who waits for room looks for an Agent that can leave the
// memory by now.
const lookForRoom = 100 * time.Millisecond

func (h *Host) make(e *entry, d Device) (*Agent, error) {
	keeper := h.opts.Keeper
	if keeper == nil {
		return newAgent(h, e, d, nil, nil), nil
	}
	state, err := keeper.Load(e.id)
	if err != nil {
		return nil, fmt.Errorf("agent: loading %s: %w", e.id, err)
	}
	tree, err := keeper.LoadTree(e.id)
	if err != nil { // it can be read anew
		h.log.Warn("what is known of a CPE is not readable and is read anew",
			zap.String("endpoint_id", string(e.id)), zap.Error(err))
	}
	if d == nil {
		if d, err = h.opts.Device(e.identity); err != nil {
			return nil, fmt.Errorf("agent: device of %s: %w", e.id, err)
		}
	}
	a := newAgent(h, e, d, state, tree)
	if tree != nil {
		a.meetSisters()
	}
	return a, nil
}
