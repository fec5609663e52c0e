// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mtp

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/uspgate/uspgate/usp"
)

// Defaults of FleetOptions.
const (
	DefaultFleetRate  = 50 // dials per second
	DefaultFleetBurst = 10
	DefaultFleetMax   = 100_000
)

// turnLife is how long a member may use the turn by which it was started for
// its first dial.
const turnLife = time.Second

// FleetMember is what FleetOptions.New makes a Transport for.
type FleetMember struct {
	// Address is the Endpoint of this gateway that the member represents.
	Address usp.Address
	// Hold waits for the member's turn to dial. It belongs into the Transport's
	// HoldFunc, behind whatever else holds dialling up [R-WS.4], so that all
	// members together keep to the Fleet's rate when a peer of all of them has
	// gone and come back. The first dial has its turn already.
	Hold HoldFunc
}

// FleetOptions configure a Fleet.
type FleetOptions struct {
	// Name is the binding's name in the configuration; "": "fleet".
	Name string
	// Addr is what Fleet.Addr returns: the URL that the members connect to.
	Addr string
	// New makes the Transport of one member, in client role. It is called from
	// as many goroutines as there are dials. An error drops the member.
	New func(m FleetMember) (Transport, error)
	// Rate is how many dials begin per second, first ones and repeated ones
	// together; 0: 50, negative: no bound. Burst is how many may begin at once
	// after a pause; 0: 10.
	Rate  float64
	Burst int
	// Max bounds the members; 0: 100,000. One too many is not represented, and
	// counted.
	Max int
	// Log takes a line for every member that ends for good; nil: none.
	Log *zap.Logger
	// Metrics is where the metrics of the Fleet are registered; nil: none.
	Metrics prometheus.Registerer
}

// Fleet is a Transport in client role that is many: one connection of its own
// for every Endpoint that it represents, all of them dialled at a bounded rate
// and in the order in which they asked. It implements Representer. Safe for
// concurrent use.
//
// A member lives from Represent until Withdraw, or until its Transport ends by
// itself, which is logged. Represent again makes a new one then; while the old
// one is still saying good-bye the new one waits, so that there never are two
// sessions of one Endpoint [R-WS.4].
type Fleet struct {
	opts    FleetOptions
	metrics *fleetMetrics
	turns   turns

	mu      sync.Mutex
	members map[usp.Address]*fleetMember
	full    rate.Sometimes // limits the log
}

// fleetMember is one member; Fleet.mu guards it.
type fleetMember struct {
	address usp.Address
	wanted  bool               // represented, and not withdrawn since
	again   bool               // wanted once more while it was ending
	turn    *turn              // waited for, before it runs
	cancel  context.CancelFunc // ends it while it runs
	granted time.Time          // of a turn that is not used yet
}

// NewFleet checks o and allocates.
func NewFleet(o FleetOptions) (*Fleet, error) {
	if o.New == nil {
		return nil, errors.New("mtp: a Fleet needs New")
	}
	if o.Name == "" {
		o.Name = "fleet"
	}
	if o.Max <= 0 {
		o.Max = DefaultFleetMax
	}
	if o.Burst <= 0 {
		o.Burst = DefaultFleetBurst
	}
	limit := rate.Limit(o.Rate)
	switch {
	case o.Rate == 0:
		limit = DefaultFleetRate
	case o.Rate < 0:
		limit = rate.Inf
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	o.Log = o.Log.Named("mtp.fleet").With(zap.String("listener", o.Name))
	metrics, err := newFleetMetrics(o.Metrics)
	if err != nil {
		return nil, fmt.Errorf("mtp: fleet: %w", err)
	}
	f := &Fleet{
		opts: o, metrics: metrics, members: make(map[usp.Address]*fleetMember),
		full: rate.Sometimes{Interval: time.Second},
	}
	f.turns.init(rate.NewLimiter(limit, o.Burst), metrics)
	return f, nil
}

// Name implements Transport.
func (f *Fleet) Name() string { return f.opts.Name }

// Listen implements Transport; a client has nothing to bind.
func (f *Fleet) Listen(context.Context) error { return nil }

// Addr implements Transport.
func (f *Fleet) Addr() string { return f.opts.Addr }

// Run implements Transport: it starts what is represented and, when ctx ends,
// ends all members and forgets them. It returns nil.
func (f *Fleet) Run(ctx context.Context, h Handler) error {
	var running sync.WaitGroup
	f.turns.run(ctx, func(m *fleetMember) { f.start(ctx, h, m, &running) })
	running.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.turns.clear()
	f.metrics.represented(-len(f.members))
	clear(f.members)
	return nil
}

// Represent implements Representer: a member for a comes up when its turn comes.
// What is represented before Run waits for it.
func (f *Fleet) Represent(a usp.Address) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.members[a]
	switch {
	case m != nil && !m.wanted:
		m.wanted, m.again = true, true
	case m != nil:
	case len(f.members) >= f.opts.Max:
		f.metrics.lost(fleetFull)
		f.full.Do(func() {
			f.opts.Log.Warn("the fleet is full, an Endpoint is not represented", zap.Int("max", f.opts.Max))
		})
	default:
		m = &fleetMember{address: a, wanted: true}
		m.turn = f.turns.enter(&turn{member: m})
		f.members[a] = m
		f.metrics.represented(1)
	}
}

// Withdraw implements Representer: the member ends as its Transport ends when
// its context does, with a good-bye.
func (f *Fleet) Withdraw(a usp.Address) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.members[a]
	if m == nil || !m.wanted {
		return
	}
	m.wanted, m.again = false, false
	if m.cancel != nil {
		m.cancel()
		return
	}
	f.turns.leave(m.turn)
	f.forget(m)
}

// Members returns how many Endpoints are represented, or still end.
func (f *Fleet) Members() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.members)
}

// forget removes a member; f.mu is held.
func (f *Fleet) forget(m *fleetMember) {
	if f.members[m.address] == m {
		delete(f.members, m.address)
		f.metrics.represented(-1)
	}
}

// start begins a member whose turn has come, in a goroutine of its own.
func (f *Fleet) start(ctx context.Context, h Handler, m *fleetMember, running *sync.WaitGroup) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m.turn = nil
	if !m.wanted {
		return // withdrawn at the last moment, and forgotten
	}
	ctx, m.cancel = context.WithCancel(ctx)
	m.granted = time.Now()
	running.Go(func() {
		err := f.serve(ctx, h, m)
		f.ended(ctx, m, err)
	})
}

// serve is the life of a member. A panic in it ends this member only.
func (f *Fleet) serve(ctx context.Context, h Handler, m *fleetMember) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("mtp: fleet: panic: %v: %s", p, debug.Stack())
		}
	}()
	hold := func(ctx context.Context) error { return f.hold(ctx, m) }
	t, err := f.opts.New(FleetMember{Address: m.address, Hold: hold})
	if err != nil {
		return fmt.Errorf("mtp: fleet: %w", err)
	}
	if err := t.Listen(ctx); err != nil {
		return err
	}
	return t.Run(ctx, h)
}

// ended is the end of what start began.
func (f *Fleet) ended(ctx context.Context, m *fleetMember, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := ctx.Err() != nil
	m.cancel()
	m.cancel = nil
	if m.again {
		m.again = false
		m.turn = f.turns.enter(&turn{member: m})
		return
	}
	f.forget(m)
	if !asked {
		f.metrics.lost(fleetEnded)
		f.opts.Log.Error("a member of the fleet ended for good",
			zap.String("endpoint_id", string(m.address.ID)), zap.Error(err))
	}
}

// hold waits for a turn to dial.
func (f *Fleet) hold(ctx context.Context, m *fleetMember) error {
	f.mu.Lock()
	fresh := time.Since(m.granted) < turnLife
	m.granted = time.Time{}
	f.mu.Unlock()
	if fresh {
		return nil
	}
	ready := make(chan struct{})
	t := f.turns.enter(&turn{ready: ready})
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
		f.turns.leave(t)
		return ctx.Err()
	}
}
