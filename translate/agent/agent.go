// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/translate/model"
	"github.com/uspgate/uspgate/usp"
)

// Agent is the Virtual Agent of one CPE. It implements device.Observer. All its
// methods are safe for concurrent use, and none blocks.
//
// One mutex guards all of its state. It is taken with lock and given back with
// unlock only, because unlock sends what was posted meanwhile.
type Agent struct {
	host     *Host
	id       usp.EndpointID
	identity cwmp.DeviceID
	log      *zap.Logger

	mu    sync.Mutex
	dev   Device
	view  *model.View // nil until the root of the CPE is known
	inst  *model.InstanceMap
	local *local
	lanes lanes
	disc  discovery
	fresh ledger
	boot  bootState
	attrs attributes
	subs  subscriptions
	notes outbound

	// departed counts the RPCs that changed the CPE, in the order in which they
	// left; it is atomic because they leave inside a session. settled is the
	// highest number among those that are back. See readOnce.
	departed atomic.Uint64
	settled  uint64
	making   making
	// scheduled are the timers of ScheduleTimer(), by row of the Request table.
	scheduled map[string]*timer

	// unsure are Device:2 objects that a write of unknown outcome may have
	// changed: read back in the session that is open or the next one.
	unsure    map[string]bool
	inSession bool
	seen      bool // the CPE has had a session since the gateway runs

	// versions are the Record versions the Controllers speak.
	versions map[usp.EndpointID]string
	// heard is when learned Controllers spoke last.
	heard   map[usp.EndpointID]time.Time
	posted  []usp.Record
	posting bool
	// outcomes are calls of done that are due without the lock.
	outcomes []func()
}

var (
	_ device.Observer = (*Agent)(nil)
	_ Device          = (*device.Device)(nil)
)

func newAgent(h *Host, id usp.EndpointID, d Device) *Agent {
	a := &Agent{
		host: h, id: id, identity: d.Identity(), dev: d,
		log:       h.log.With(zap.String("endpoint_id", string(id))),
		inst:      model.NewInstanceMap(),
		scheduled: make(map[string]*timer),
		unsure:    make(map[string]bool),
		versions:  make(map[usp.EndpointID]string),
		heard:     make(map[usp.EndpointID]time.Time),
	}
	a.lanes.init()
	a.disc.init()
	a.fresh.init()
	a.attrs.init()
	a.subs.init()
	a.notes.init()
	a.making.init()
	var state *State
	if h.opts.Restore != nil {
		state = h.opts.Restore(id)
	}
	a.lock()
	defer a.unlock()
	a.local = newLocal(a, h.schema)
	a.restore(state)
	return a
}

// EndpointID returns the Agent's Endpoint ID; it never changes.
func (a *Agent) EndpointID() usp.EndpointID { return a.id }

// Identity returns the DeviceID of the CPE as first seen.
func (a *Agent) Identity() cwmp.DeviceID { return a.identity }

func (a *Agent) setDevice(d Device) {
	a.lock()
	defer a.unlock()
	a.dev = d
}

func (a *Agent) device() Device {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.dev
}

func (a *Agent) lock() { a.mu.Lock() }

// unlock gives the mutex back and sends what was posted, in order, by one
// goroutine at a time. What is due then is called without the mutex.
func (a *Agent) unlock() {
	outcomes := a.outcomes
	a.outcomes = nil
	defer func() {
		for _, f := range outcomes {
			f()
		}
	}()
	if a.posting {
		a.mu.Unlock()
		return
	}
	a.posting = true
	for len(a.posted) > 0 {
		recs := a.posted
		a.posted = nil
		a.mu.Unlock()
		for _, rec := range recs {
			a.host.opts.Send(rec)
		}
		a.mu.Lock()
	}
	a.posting = false
	a.mu.Unlock()
}

// post queues a Record for the next unlock. The lock is held.
func (a *Agent) post(rec usp.Record) { a.posted = append(a.posted, rec) }

// changed tells the keeper of the state that it is worth storing. The lock is
// held.
func (a *Agent) changed() {
	if f := a.host.opts.Changed; f != nil {
		f(a.id)
	}
}

// upTime is that of the Agent: of the gateway.
func (a *Agent) upTime() time.Duration { return time.Since(a.host.started) }
