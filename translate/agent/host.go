// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/device"
)

// Failures of Deliver and Attach.
var (
	// ErrUnknownAgent: the Record is for no Agent of this Host.
	ErrUnknownAgent = errors.New("agent: no such Virtual Agent")
	// ErrInboxFull: the Agent has as many requests in hand as it may.
	ErrInboxFull = errors.New("agent: inbox full")
	// ErrClosed: Run has returned.
	ErrClosed = errors.New("agent: closed")

	// errAsleep: the Agent has left the memory; there is another by now.
	errAsleep = errors.New("agent: asleep")
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
	// Retire lets go of the Device, which is not used any more if it returns true.
	// It returns false while something is in hand: a session, a Call, a Hold.
	Retire() bool
}

// Host holds all Virtual Agents of the process: those that have something to do
// in memory, the others with the Keeper. All its methods are safe for concurrent
// use.
type Host struct {
	opts    Options
	log     *zap.Logger
	metrics *metrics
	schema  *schema
	cohorts *cohorts
	started time.Time
	timers  timers

	freshness freshness

	notifies atomic.Uint64 // msg_ids given
	left     []leftover    // by a previous process
	// recovered: what other processes have left behind is answered.
	recovered atomic.Bool

	registry registry
	grants   *grants
	trusted  *trusted
	blamed   blamed // for bad signatures
	// door has one element for each Agent on its way into memory because its CPE has
	// come.
	door chan struct{}

	jobsMu sync.Mutex
	jobs   []func(context.Context)
	// closing refuses new Records, closed also new jobs.
	closing, closed bool
	wake            chan struct{} // capacity 1
	ended           chan struct{} // closed with closing
}

// NewHost returns a Host without Agents. It works while Run does.
func NewHost(opts Options) (*Host, error) {
	if opts.Send == nil || opts.Rules == nil {
		return nil, errors.New("agent: Options.Send and Options.Rules are required")
	}
	if opts.Keeper != nil && opts.Device == nil {
		return nil, errors.New("agent: Options.Keeper wants Options.Device")
	}
	if err := opts.checkRoles(); err != nil {
		return nil, err
	}
	policy, err := newFreshness(&opts)
	if err != nil {
		return nil, err
	}
	opts.fill()
	of, err := newCohorts(&opts)
	if err != nil {
		return nil, err
	}
	m, err := newMetrics(opts.Metrics)
	if err != nil {
		return nil, err
	}
	h := &Host{
		opts: opts, log: opts.Log, metrics: m, cohorts: of, started: time.Now(),
		wake: make(chan struct{}, 1), ended: make(chan struct{}), freshness: policy,
	}
	h.grants, h.trusted = new(grants), new(trusted)
	if opts.Beside != nil {
		h.grants, h.trusted = opts.Beside.grants, opts.Beside.trusted
	}
	h.registry.init(opts.MaxAwake)
	h.door = make(chan struct{}, opts.Rising)
	h.schema = newSchema(&h.opts)
	if h.opts.Journal == nil {
		h.opts.Journal = device.NewMemoryJournal(device.MemoryOptions{})
	}
	err = h.opts.Journal.Unanswered(func(k device.Key, e device.Entry) bool {
		h.left = append(h.left, leftover{k, e.State})
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("agent: reading the journal: %w", err)
	}
	h.recovered.Store(len(h.left) == 0)
	return h, nil
}

// Run owns every goroutine and timer of the Agents. It blocks until ctx ends;
// requests in hand are cancelled then, and at return no goroutine is alive.
// It returns nil.
func (h *Host) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer func() { h.drain(ctx, &wg) }()
	h.sweepLater()
	h.foldLater()
	h.spawn(h.recover)
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
	close(h.ended)
	defer h.keepAll()
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
