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

// Agent is the Virtual Agent of one CPE, while it is in memory. It implements
// device.Observer. All its methods are safe for concurrent use, and none but Commit
// blocks.
//
// One mutex guards all of its state. It is taken with lock and given back with
// unlock only, because unlock sends what was posted meanwhile.
type Agent struct {
	host     *Host
	id       usp.EndpointID
	identity cwmp.DeviceID
	log      *zap.Logger
	saving   saving
	isNew    bool
	member   membership

	mu     sync.Mutex
	alarms alarms
	asleep bool // not in memory any more
	// slept is since when it was asleep, while it is being restored; zero if it was
	// not since the gateway runs.
	slept time.Time
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
	bulk  bulkData

	thresholds []*threshold

	// departed counts the RPCs that changed the CPE, in the order in which they
	// left; it is atomic because they leave inside a session. settled is the
	// highest number among those that are back. See readOnce.
	departed  atomic.Uint64
	settled   uint64
	making    making
	transfers transfers
	// scheduled are the timers of asynchronous commands, by row of the Request table.
	scheduled map[string]*timer
	offering  offering
	sisters   sisters
	// looks are those of jobs under way, by row of the Request table.
	looks map[string]*look

	// unsure are Device:2 objects that a write of unknown outcome may have
	// changed: read back in the session that is open or the next one.
	unsure    map[string]bool
	reading   map[string]bool // of these, those that are being read
	inSession bool
	seen      bool                  // the CPE has had a session since the gateway runs
	told      []cwmp.ParameterValue // by the last Inform, while in memory

	// versions are the Record versions the Controllers speak.
	versions map[usp.EndpointID]string
	contexts map[usp.EndpointID]*sessionContext // nil: none
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

// newAgent returns the Agent of an entry, as it was when it fell asleep or the
// gateway ended; state and tree are nil for one that is new.
func newAgent(h *Host, e *entry, d Device, state *State, tree *Tree) *Agent {
	a := &Agent{
		host: h, id: e.id, identity: d.Identity(), dev: d, slept: e.slept, seen: e.seen, isNew: state == nil,
		log:       h.log.With(zap.String("endpoint_id", string(e.id))),
		inst:      model.NewInstanceMap(),
		alarms:    make(alarms),
		scheduled: make(map[string]*timer),
		looks:     make(map[string]*look),
		unsure:    make(map[string]bool),
		reading:   make(map[string]bool),
		versions:  make(map[usp.EndpointID]string),
		heard:     make(map[usp.EndpointID]time.Time),
	}
	a.lanes.init()
	a.disc.init()
	a.fresh.init()
	a.attrs.init()
	a.subs.init()
	a.notes.init()
	a.bulk.init()
	a.making.init()
	a.transfers.init(h.opts.Transfers)
	tags := h.tagsOf(e.identity)
	a.lock()
	defer a.unlock()
	a.local = newLocal(a, h.schema)
	a.join(state, tags)
	a.disc.known = a.isGateway() // there is nothing to read
	a.restore(state, tree)
	a.resumeContexts(e.contexts)
	e.contexts = nil
	a.hear(e.rest, state)
	return a
}

// EndpointID returns the Agent's Endpoint ID; it never changes.
func (a *Agent) EndpointID() usp.EndpointID { return a.id }

// IsNew reports that nothing was known of the Agent when it was taken into memory.
func (a *Agent) IsNew() bool { return a.isNew }

// Identity returns the DeviceID of the CPE as first seen.
func (a *Agent) Identity() cwmp.DeviceID { return a.identity }

// setDevice gives the Agent another way to the CPE; false if it has fallen asleep.
func (a *Agent) setDevice(d Device) bool {
	a.lock()
	defer a.unlock()
	if a.asleep {
		return false
	}
	a.dev = d
	return true
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

// upTime is that of the Agent: of the gateway.
func (a *Agent) upTime() time.Duration { return time.Since(a.host.started) }
