// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/internal/sim/endpoint"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// Options configure an Agent.
type Options struct {
	// Endpoint is the Agent's Endpoint ID. Required.
	Endpoint usp.EndpointID
	// Transport carries its Records. Required.
	Transport mtp.Transport
	// Controller is whom it shows itself to with a Connect Record when a Link
	// comes up; "": the Link's peer, if the carrier knows it.
	Controller usp.EndpointID
	// Model is the device, which is the Agent's from now on; nil: that of OpenDefault.
	Model *Model
	// Protocols are the MTPs in Device.LocalAgent.MTP.; nil: WebSocket.
	Protocols []string
	// CommandTime is how long an asynchronous command and a restart take; 0: no time.
	CommandTime time.Duration
	// Log takes one line per event; nil: none.
	Log *zap.Logger
}

// Agent is a USP Agent. Its methods are safe for concurrent use.
type Agent struct {
	opts    Options
	log     *zap.Logger
	node    *endpoint.Node
	started time.Time
	counter atomic.Uint64
	ignored atomic.Uint64
	timed   sync.WaitGroup // timers that are set

	mu       sync.Mutex
	tree     *tree
	outbox   []func() // Notifies, sent once the answer is
	muted    bool     // nothing is noted in outbox
	adding   string   // the row that an Add announces
	waiting  map[string]*retry
	timers   map[*time.Timer]bool
	ended    bool
	periodic map[string]*time.Timer    // by the row of the Controller
	versions map[usp.EndpointID]string // of the Records of Controllers
	written  journal
}

// New checks o and builds the tree.
func New(o Options) (*Agent, error) {
	if o.Endpoint == "" {
		return nil, errors.New("agent: no Endpoint ID")
	}
	if o.Transport == nil {
		return nil, errors.New("agent: no transport")
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if len(o.Protocols) == 0 {
		o.Protocols = []string{"WebSocket"}
	}
	if o.Model == nil {
		m, err := defaultModel()
		if err != nil {
			return nil, err
		}
		o.Model = m
	}
	a := &Agent{
		opts: o, log: o.Log.Named("sim.agent"), tree: o.Model.tree, started: time.Now(),
		waiting: make(map[string]*retry), timers: make(map[*time.Timer]bool),
		periodic: make(map[string]*time.Timer), versions: make(map[usp.EndpointID]string),
	}
	a.tree.changed, a.tree.created, a.tree.deleted = a.valueChanged, a.rowCreated, a.rowDeleted
	a.introduce()
	a.node = endpoint.NewNode(endpoint.Options{
		ID: o.Endpoint, Up: a.up, Receive: a.receive,
		Dropped: func(usp.Record) { a.ignored.Add(1) },
	})
	return a, nil
}

// introduce gives the tree what is the Agent's own.
func (a *Agent) introduce() {
	t := a.tree
	t.values[localAgent+"EndpointID"] = string(a.opts.Endpoint)
	t.values[localAgent+"SupportedProtocols"] = strings.Join(a.opts.Protocols, ",")
	for _, p := range a.opts.Protocols {
		t.values[t.addRow(localAgent+"MTP.", 0)+"Protocol"] = p
	}
	t.undo = nil
	t.live[firmwareVersion] = func() string { return t.get(deviceInfo + "SoftwareVersion") }
	for _, p := range []string{localAgent + "UpTime", deviceInfo + "UpTime"} {
		t.live[p] = func() string { return strconv.Itoa(int(time.Since(a.started).Seconds())) }
	}
}

// firmwareVersion is that of the only image, which runs.
const firmwareVersion = deviceInfo + "FirmwareImage.1.Version"

// Objects of every Agent.
const (
	localAgent = "Device.LocalAgent."
	deviceInfo = "Device.DeviceInfo."
)

// Endpoint returns the Agent's Endpoint ID.
func (a *Agent) Endpoint() usp.EndpointID { return a.opts.Endpoint }

// Run runs the transport until ctx ends or the transport fails.
func (a *Agent) Run(ctx context.Context) error {
	err := a.opts.Transport.Run(ctx, a.node)
	a.mu.Lock()
	a.ended = true
	for t := range a.timers {
		a.stop(t)
	}
	a.mu.Unlock()
	a.timed.Wait()
	if err != nil {
		return fmt.Errorf("agent: run: %w", err)
	}
	return nil
}

// Value returns the value of a parameter.
func (a *Agent) Value(param string) (string, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.tree.Value(param)
}

// SetValue changes a parameter as if the user did it at the device, and
// notifies subscribers. It reports whether there is such a parameter.
func (a *Agent) SetValue(param, value string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, ok := a.tree.values[param]
	if ok {
		a.tree.set(param, value)
	}
	a.flush()
	return ok
}

// Event sends an event of an object to its subscribers.
func (a *Agent) Event(object, name string, params map[string]string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.event(object, name, params)
	a.flush()
}

// Ignored returns how many Records and Messages were of no use.
func (a *Agent) Ignored() uint64 { return a.ignored.Load() }

// up shows the Agent to its Controller, before anything else [R-MTP.6, R-MTP.8].
func (a *Agent) up(l *endpoint.Link) {
	to := a.opts.Controller
	if to == "" {
		to = l.Peer().Endpoint
	}
	if to == "" {
		return
	}
	if rec, ok := l.ConnectRecord(a.opts.Endpoint, to); ok {
		l.Send(rec, mtp.Hint{}, nil)
	}
}

// mark is a state of the tree that back returns to.
type mark struct{ tree, outbox int }

func (a *Agent) mark() mark { return mark{a.tree.mark(), len(a.outbox)} }

// back undoes what was done since m, and forgets whom it had to be told.
func (a *Agent) back(m mark) {
	a.tree.back(m.tree)
	a.outbox = a.outbox[:m.outbox]
}

// quiet calls f; what it does is told to nobody.
func (a *Agent) quiet(f func()) {
	before := a.muted
	a.muted = true
	f()
	a.muted = before
}

// flush sends what is in the outbox; the caller holds mu.
func (a *Agent) flush() {
	for _, f := range a.outbox {
		f()
	}
	a.outbox, a.tree.undo = nil, nil
}

// after calls f with mu held after d, unless the Agent ends before; the caller holds mu.
// A d of 0 is as soon as possible.
func (a *Agent) after(d time.Duration, f func()) *time.Timer {
	if a.ended {
		return nil
	}
	a.timed.Add(1)
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		defer a.timed.Done()
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.timers[t] {
			delete(a.timers, t)
			f()
			a.flush()
		}
	})
	a.timers[t] = true
	return t
}

// stop ends a timer; nil is none.
func (a *Agent) stop(t *time.Timer) {
	if t == nil || !a.timers[t] {
		return
	}
	delete(a.timers, t)
	if t.Stop() {
		a.timed.Done()
	}
}
