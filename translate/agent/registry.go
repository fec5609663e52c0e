// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
	"unique"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/usp"
)

// registry is all Agents, in memory or not. An Agent that sleeps costs its entry,
// and a timer if it is to wake by itself.
type registry struct {
	mu   sync.Mutex
	byID map[usp.EndpointID]*entry
	// named are those that are called otherwise than EndpointIDs says.
	named map[cwmp.DeviceID]*entry
	awake *list.List // of *entry, the one used last in front
	bytes int64      // that they have, about
	// slots has one element for each Agent in memory, or about to be.
	slots chan struct{}
}

// entry is one Agent. Host.registry.mu guards what changes.
type entry struct {
	id       usp.EndpointID
	identity cwmp.DeviceID

	agent  *Agent  // nil: asleep
	rising *rising // unless nil, on its way into memory
	place  *list.Element
	used   time.Time
	bytes  int64
	alarm  *timer
	slept  time.Time // since when, if it has been awake since the gateway runs
	seen   bool      // as of Agent
	// firmware is the SoftwareVersion, where cohorts depend on it; unshown as of Agent.
	firmware string
	unshown  bool
	contexts map[usp.EndpointID]*sessionContext // of the Agent, while it sleeps
	// rest is by what the Informs are told that need not wake it.
	rest device.Rest
}

// rising is an Agent on its way into memory.
type rising struct {
	done    chan struct{} // closed when agent or err is set
	agent   *Agent
	err     error
	device  Device     // unless nil, the way to the CPE
	waiting []delivery // in order
}

// delivery is a Record with what to call, or a question of this process.
type delivery struct {
	rec   usp.Record
	done  func(error)
	asked *Asked
}

func (r *registry) init(maxAwake int) {
	r.byID = make(map[usp.EndpointID]*entry)
	r.named = make(map[cwmp.DeviceID]*entry)
	r.awake = list.New()
	r.slots = make(chan struct{}, maxAwake)
}

// find returns the entry of a CPE, nil if there is none; mu is held.
func (r *registry) find(key cwmp.DeviceID) *entry {
	if e := r.named[key]; e != nil {
		return e
	}
	of := func(id usp.EndpointID) *entry {
		if e := r.byID[id]; e != nil && e.identity.Key() == key {
			return e
		}
		return nil
	}
	if e := of(EndpointIDFor(key)); e != nil {
		return e
	}
	return of(uuidFor(key))
}

// add makes the entry of a CPE, unless it is there; mu is held.
func (r *registry) add(id usp.EndpointID, identity cwmp.DeviceID) *entry {
	if e := r.byID[id]; e != nil {
		return e
	}
	// Of the words that are the same for many there is one copy.
	identity.Manufacturer = unique.Make(identity.Manufacturer).Value()
	identity.OUI = unique.Make(identity.OUI).Value()
	identity.ProductClass = unique.Make(identity.ProductClass).Value()
	e := &entry{id: id, identity: identity}
	r.byID[id] = e
	if key := identity.Key(); r.find(key) != e {
		r.named[key] = e
	}
	return e
}

// Load takes in whom the Keeper has, and calls f for each. To be called once,
// before Run. It makes no Agent: they sleep until somebody needs them.
func (h *Host) Load(f func(usp.EndpointID) error) error {
	if h.opts.Keeper == nil {
		return nil
	}
	now, n := time.Now(), 0
	err := h.opts.Keeper.Each(func(k Kept) error {
		h.registry.mu.Lock()
		e := h.registry.add(k.EndpointID, k.Identity)
		e.rest, e.seen = k.Rest, k.Rest != (device.Rest{})
		h.noteFirmware(e, k.Firmware)
		if at := next(k.Wakes, now); !at.IsZero() {
			if !at.After(now) { // what is overdue does not come all at once
				at = now.Add(rand.N(10 * time.Second))
			}
			h.setAlarm(e, at)
		}
		h.registry.mu.Unlock()
		h.restoreAccess(&Access{Agent: k.EndpointID, Grants: k.Grants, Demands: k.Demands})
		n++
		return f(k.EndpointID)
	})
	if err != nil {
		return fmt.Errorf("agent: loading: %w", err)
	}
	h.log.Info("Virtual Agents loaded", zap.Int("agents", n), zap.Duration("took", time.Since(now)))
	return nil
}

// setAlarm wakes an Agent at a time; registry.mu is held.
func (h *Host) setAlarm(e *entry, at time.Time) {
	h.timers.stop(e.alarm)
	e.alarm = h.after(time.Until(at), func() { h.rouse(e) })
}

// Attach returns the Agent of a CPE, made at the first call for its identity;
// a later call gives the Agent d as its way to the CPE. It blocks while the Agent
// is being taken into memory, and for at most Options.Patience until it may be. The
// Endpoint ID of a new Agent is that of EndpointIDFor, unless another CPE has it
// already: then it is a uuid::, and both are reported. The error is ErrClosed,
// ErrCrowded or what the Keeper says.
func (h *Host) Attach(d Device) (*Agent, error) {
	for {
		e, err := h.register(d.Identity())
		if err != nil {
			return nil, err
		}
		passed, err := h.pass(e)
		if err != nil {
			return nil, err
		}
		a, err := h.need(context.Background(), e, d)
		passed()
		if err != nil {
			return nil, err
		}
		if a.setDevice(d) {
			return a, nil
		}
	}
}

// register returns the entry of a CPE, made if it is new.
func (h *Host) register(identity cwmp.DeviceID) (*entry, error) {
	key := identity.Key()
	r := &h.registry
	r.mu.Lock()
	e := r.find(key)
	r.mu.Unlock()
	if e != nil {
		return e, nil
	}
	id := usp.EndpointID("")
	if h.opts.Keeper != nil {
		var err error
		if id, err = h.opts.Keeper.Register(identity); err != nil {
			return nil, fmt.Errorf("agent: registering %s: %w", identity, err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.find(key); e != nil {
		return e, nil
	}
	ids := EndpointIDs(key)
	if id == "" {
		if id = ids[0]; r.byID[id] != nil {
			id = ids[1]
		}
	}
	if id != ids[0] {
		h.collided(ids[0], id, identity)
	}
	return r.add(id, identity), nil
}

// collided reports that a CPE has not got the Endpoint ID that is its own by rule;
// registry.mu is held.
func (h *Host) collided(wanted, got usp.EndpointID, second cwmp.DeviceID) {
	first := ""
	if e := h.registry.byID[wanted]; e != nil {
		first = e.identity.String()
	}
	h.metrics.collisions.Inc()
	h.log.Warn("two CPE would have the same Endpoint ID; the first one keeps it",
		zap.String("endpoint_id", string(wanted)), zap.String("first", first),
		zap.String("second", second.String()), zap.String("second_endpoint_id", string(got)))
}

// Agents returns the Endpoint IDs of all Agents, sorted.
func (h *Host) Agents() []usp.EndpointID {
	h.registry.mu.Lock()
	defer h.registry.mu.Unlock()
	all := make([]usp.EndpointID, 0, len(h.registry.byID))
	for id := range h.registry.byID {
		all = append(all, id)
	}
	slices.Sort(all)
	return all
}

// Awake returns how many Agents are in memory.
func (h *Host) Awake() int {
	h.registry.mu.Lock()
	defer h.registry.mu.Unlock()
	return h.registry.awake.Len()
}

// Deliver takes a Record addressed to one of the Agents. It never blocks. Done
// is called exactly once if Deliver returns nil: with nil when a Message that
// writes was answered or journalled, one that reads is in hand, or it was ignored
// as the rules want it; otherwise with why it was not. If Deliver returns an error (ErrUnknownAgent, ErrInboxFull,
// ErrClosed), nothing was taken and done is not called. Done may be nil. Records
// for an Agent that sleeps wake it, and wait in order until it is awake.
func (h *Host) Deliver(rec usp.Record, done func(error)) error {
	h.jobsMu.Lock()
	closed := h.closing
	h.jobsMu.Unlock()
	if closed {
		return ErrClosed
	}
	if done == nil {
		done = func(error) {}
	}
	return h.handOver(rec.Header().To, delivery{rec: rec, done: done})
}

// handOver gives an Agent what is for it; see Deliver.
func (h *Host) handOver(to usp.EndpointID, d delivery) error {
	for {
		a, err := h.deliverable(to, d)
		if a == nil {
			return err
		}
		if err := a.take(d); !errors.Is(err, errAsleep) {
			return err
		}
	}
}

// take takes what is for the Agent.
func (a *Agent) take(d delivery) error {
	if d.asked != nil {
		return a.ask(d)
	}
	return a.receive(d.rec, d.done)
}

// deliverable returns the Agent that something is for if it is in memory. Otherwise
// that waits for it, or err says why not.
func (h *Host) deliverable(to usp.EndpointID, d delivery) (*Agent, error) {
	r := &h.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.byID[to]
	switch {
	case e == nil:
		return nil, ErrUnknownAgent
	case e.agent != nil:
		r.touch(e)
		return e.agent, nil
	}
	w := e.rising
	if w == nil {
		if w = h.rise(e, nil); !h.spawn(func(ctx context.Context) { h.bringIn(ctx, e, w) }) {
			e.rising = nil
			return nil, ErrClosed
		}
	}
	if len(w.waiting) >= h.opts.Inbox {
		return nil, ErrInboxFull
	}
	w.waiting = append(w.waiting, d)
	return nil, nil //nolint:nilnil // it is taken
}

// touch notes that an Agent is used; mu is held.
func (r *registry) touch(e *entry) {
	e.used = time.Now()
	if e.place != nil {
		r.awake.MoveToFront(e.place)
	}
}
