// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/usp"
)

// Failures of Deliver.
var (
	// ErrUnknownAgent: the Record is for no Agent of this Host.
	ErrUnknownAgent = errors.New("agent: no such Virtual Agent")
	// ErrInboxFull: the Agent has as many requests in hand as it may.
	ErrInboxFull = errors.New("agent: inbox full")
	// ErrClosed: Run has returned.
	ErrClosed = errors.New("agent: closed")
)

// Device is all that a Virtual Agent needs of the CWMP side of its CPE.
// *device.Device is one.
type Device interface {
	// Identity is the DeviceId of its Informs.
	Identity() cwmp.DeviceID
	// Call sends one RPC to the CPE and waits for its response, waking it where
	// that is needed. RPCs are answered one after the other, and the function of
	// device.OnWire is run as one leaves. The error is a *cwmp.Fault, or wraps
	// device.ErrNotSent, device.ErrOutcomeUnknown or device.ErrBusy.
	Call(ctx context.Context, req cwmp.Request) (cwmp.Response, error)
	// Hold keeps an open session from ending between two Calls, for a bounded
	// time, until release is called.
	Hold() (release func())
}

// Host holds all Virtual Agents of the process. All its methods are safe for
// concurrent use.
type Host struct {
	opts    Options
	log     *zap.Logger
	metrics *metrics
	schema  *schema
	started time.Time
	timers  timers

	mu       sync.RWMutex
	byID     map[usp.EndpointID]*Agent
	byDevice map[cwmp.DeviceID]*Agent

	jobsMu sync.Mutex
	jobs   []func(context.Context)
	// closing refuses new Records, closed also new jobs.
	closing, closed bool
	wake            chan struct{} // capacity 1
}

// NewHost returns a Host without Agents. It works while Run does.
func NewHost(opts Options) (*Host, error) {
	if opts.Send == nil || opts.Rules == nil {
		return nil, errors.New("agent: Options.Send and Options.Rules are required")
	}
	opts.fill()
	m, err := newMetrics(opts.Metrics)
	if err != nil {
		return nil, err
	}
	h := &Host{
		opts: opts, log: opts.Log, metrics: m, started: time.Now(),
		byID:     make(map[usp.EndpointID]*Agent),
		byDevice: make(map[cwmp.DeviceID]*Agent),
		wake:     make(chan struct{}, 1),
	}
	h.schema = newSchema()
	if h.opts.Journal == nil {
		h.opts.Journal = device.NewMemoryJournal(device.MemoryOptions{})
	}
	return h, nil
}

// Run owns every goroutine and timer of the Agents. It blocks until ctx ends;
// requests in hand are cancelled then, and at return no goroutine is alive.
// It returns nil.
func (h *Host) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer func() { h.drain(ctx, &wg) }()
	clock := time.NewTimer(time.Hour)
	defer clock.Stop()
	for {
		next := h.timers.fire(time.Now())
		for _, job := range h.takeJobs() {
			wg.Go(func() { job(ctx) })
		}
		wait := time.Hour
		if !next.IsZero() {
			wait = time.Until(next)
		}
		clock.Reset(wait)
		select {
		case <-ctx.Done():
			return nil
		case <-h.wake:
		case <-clock.C:
		}
	}
}

// spawn runs f on a goroutine of its own as soon as Run gets to it; never after
// Run has returned. It reports whether f may still run.
func (h *Host) spawn(f func(context.Context)) bool {
	h.jobsMu.Lock()
	if h.closed {
		h.jobsMu.Unlock()
		return false
	}
	h.jobs = append(h.jobs, f)
	h.jobsMu.Unlock()
	h.nudge()
	return true
}

func (h *Host) nudge() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

func (h *Host) takeJobs() []func(context.Context) {
	h.jobsMu.Lock()
	defer h.jobsMu.Unlock()
	jobs := h.jobs
	h.jobs = nil
	return jobs
}

// drain ends what is in hand: with ctx over, every request answers that it was
// not sent. Nothing new is taken.
func (h *Host) drain(ctx context.Context, wg *sync.WaitGroup) {
	h.jobsMu.Lock()
	h.closing = true
	h.jobsMu.Unlock()
	for {
		for _, job := range h.takeJobs() {
			wg.Go(func() { job(ctx) })
		}
		wg.Wait()
		h.jobsMu.Lock()
		h.closed = len(h.jobs) == 0
		over := h.closed
		h.jobsMu.Unlock()
		if over {
			return
		}
	}
}

// after schedules f on the goroutine of Run.
func (h *Host) after(d time.Duration, f func()) *timer {
	tm, first := h.timers.at(time.Now().Add(d), f)
	if first {
		h.nudge()
	}
	return tm
}

// Attach returns the Agent of a CPE, made at the first call for its identity;
// a later call gives the Agent d as its new way to the CPE. The Endpoint ID is
// that of EndpointIDFor, unless another CPE has it already: then it is a
// uuid::, and both are reported.
func (h *Host) Attach(d Device) *Agent {
	key := d.Identity().Key()
	h.mu.Lock()
	defer h.mu.Unlock()
	if a := h.byDevice[key]; a != nil {
		a.setDevice(d)
		return a
	}
	id := EndpointIDFor(key)
	if other := h.byID[id]; other != nil {
		h.metrics.collisions.Inc()
		h.log.Warn("two CPE would have the same Endpoint ID; the first one keeps it",
			zap.String("endpoint_id", string(id)), zap.String("first", other.identity.String()),
			zap.String("second", key.String()), zap.String("second_endpoint_id", string(uuidFor(key))))
		id = uuidFor(key)
	}
	a := newAgent(h, id, d)
	h.byDevice[key], h.byID[id] = a, a
	return a
}

// Agent returns the Agent with that Endpoint ID, nil if there is none.
func (h *Host) Agent(id usp.EndpointID) *Agent {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.byID[id]
}

// Agents returns all Agents, sorted by Endpoint ID.
func (h *Host) Agents() []*Agent {
	h.mu.RLock()
	defer h.mu.RUnlock()
	all := make([]*Agent, 0, len(h.byID))
	for _, a := range h.byID {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b *Agent) int {
		if a.id < b.id {
			return -1
		}
		return 1
	})
	return all
}

// Deliver takes a Record addressed to one of the Agents. It never blocks. Done
// is called exactly once if Deliver returns nil: with nil when the Message was
// answered, journalled or ignored as the rules want it, otherwise with why it
// was not. If Deliver returns an error (ErrUnknownAgent, ErrInboxFull,
// ErrClosed), nothing was taken and done is not called. Done may be nil.
func (h *Host) Deliver(rec usp.Record, done func(error)) error {
	a := h.Agent(rec.Header().To)
	if a == nil {
		return ErrUnknownAgent
	}
	h.jobsMu.Lock()
	closed := h.closing
	h.jobsMu.Unlock()
	if closed {
		return ErrClosed
	}
	if done == nil {
		done = func(error) {}
	}
	return a.receive(rec, done)
}
