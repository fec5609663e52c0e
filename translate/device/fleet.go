// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
)

// Fleet is all Devices. It implements acs.Handler. Safe for concurrent use. With a
// Keeper only those are in memory that have something to do, see Device.Retire.
//
// Lock order: Device.told, Device.mu, Fleet.mu, Fleet.odd.
type Fleet struct {
	opts Options
	log  *zap.Logger
	met  *metrics
	odd  oddities

	mu      sync.Mutex
	devices map[cwmp.DeviceID]*Device
	// puts are those under way, see put; loading how often a Device is being made.
	puts    map[cwmp.DeviceID]chan struct{}
	loading map[cwmp.DeviceID]int
	closed  bool
	wakers  sync.WaitGroup
	base    context.Context //nolint:containedctx // parent of the wakes', which begin in Call and may outlive it
	stop    context.CancelFunc
}

var _ acs.Handler = (*Fleet)(nil)

// errClosed is why nothing is sent any more.
var errClosed = errors.New("device: fleet closed")

// New returns an empty Fleet.
func New(o Options) (*Fleet, error) {
	o = o.withDefaults()
	met, err := newMetrics(o.Metrics)
	if err != nil {
		return nil, fmt.Errorf("device: metrics: %w", err)
	}
	f := &Fleet{
		opts:    o,
		log:     o.Log.Named("device"),
		met:     met,
		devices: make(map[cwmp.DeviceID]*Device),
		puts:    make(map[cwmp.DeviceID]chan struct{}),
		loading: make(map[cwmp.DeviceID]int),
	}
	if o.Keeper != nil {
		met.devices.Set(float64(o.Keeper.Len()))
	}
	f.odd.init(o.MaxDevices)
	f.base, f.stop = context.WithCancel(context.Background())
	return f, nil
}

// Run waits until ctx ends. Then it ends the waking of CPE, fails what has not
// been sent with ErrNotSent, and returns when no goroutine of the Fleet is
// alive. A Fleet works before Run, and not after it.
func (f *Fleet) Run(ctx context.Context) error {
	<-ctx.Done()
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.stop()
	for _, d := range f.all() {
		d.failQueue(errClosed) //nolint:contextcheck // ctx has ended
	}
	f.wakers.Wait()
	return nil
}

// Open implements acs.Handler. Of two boxes with one DeviceID it refuses both with
// Fault 8001 [quirk 27].
func (f *Fleet) Open(_ context.Context, in *cwmp.Inform, info acs.Info) (acs.Session, error) {
	if err := f.judge(in, info.Conflict); err != nil {
		return nil, err
	}
	if n, err := f.nap(in, &info); err != nil || n != nil {
		return n, err
	}
	s, err := f.open(in, info) //nolint:contextcheck // a wake may outlive the session
	if err != nil {
		return nil, err
	}
	return s, nil
}

// open begins an ordinary session.
func (f *Fleet) open(in *cwmp.Inform, info acs.Info) (*session, error) {
	for {
		d, err := f.device(in.DeviceID, true)
		if err != nil {
			return nil, err
		}
		s, err := d.open(in, info)
		if !errors.Is(err, errRetired) {
			return s, err
		} // it has left the memory just now: load it again
	}
}

// ErrUnknownDevice is what Get returns for a Device that has never been seen.
var ErrUnknownDevice = errors.New("device: no such device")

// Get returns the Device of that identity, and takes it into memory if need be:
// it may block for as long as the Keeper does. It makes no new ones.
func (f *Fleet) Get(id cwmp.DeviceID) (*Device, error) { return f.device(id, false) }

// device returns the Device of that identity. One that is not known is made if
// create is true.
func (f *Fleet) device(id cwmp.DeviceID, create bool) (*Device, error) {
	key := id.Key()
	if d := f.Device(key); d != nil {
		return d, nil
	}
	f.beginLoading(key)
	var known Known
	var failed error
	found := false
	if f.opts.Keeper != nil {
		known, found, failed = f.opts.Keeper.Load(key)
	}
	if failed == nil && !found && create {
		known.Login = f.imported(key)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.endLoading(key)
	switch {
	case failed != nil:
		return nil, fmt.Errorf("device: %s: %w", key, failed)
	case f.devices[key] != nil:
		return f.devices[key], nil
	case f.closed:
		return nil, errClosed
	case !found && !create:
		return nil, ErrUnknownDevice
	case !found && f.full():
		return nil, &cwmp.Fault{Code: cwmp.FaultACSResourcesExceeded, Text: "Too many devices"}
	}
	// The strings of an Inform share the memory of the whole envelope.
	key = cloneID(key)
	d := &Device{fleet: f, id: key, known: known, unsaved: !found}
	d.id.Manufacturer = strings.Clone(strings.TrimSpace(id.Manufacturer))
	if found {
		d.id.Manufacturer = known.Identity.Manufacturer
		f.odd.learn(key, known.Found)
	} else {
		f.met.devices.Inc()
	}
	d.known.Identity = d.id
	f.devices[key] = d
	return d, nil
}

// full reports that there are as many Devices as there may be; f.mu is held.
func (f *Fleet) full() bool {
	n := len(f.devices)
	if f.opts.Keeper != nil {
		n = max(n, f.opts.Keeper.Len())
	}
	return n >= f.opts.MaxDevices
}

// errRetired: the Device has left the memory.
var errRetired = errors.New("device: retired")

// Retire takes the Device out of memory, if it has nothing in hand: no session, and
// nothing that waits or is held. It reports whether it did; the Device must not be
// used any more then. What it knows is with the Keeper, and Open and Get take it
// back from there.
func (d *Device) Retire() bool {
	f := d.fleet
	if f.opts.Keeper == nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sess != nil || len(d.queue) > 0 || d.holds > 0 || d.wake != nil || d.unsaved {
		return false
	}
	d.retired = true
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.devices[d.id.Key()] == d {
		delete(f.devices, d.id.Key())
	}
	return true
}

func cloneID(id cwmp.DeviceID) cwmp.DeviceID {
	return cwmp.DeviceID{
		Manufacturer: strings.Clone(id.Manufacturer),
		OUI:          strings.Clone(id.OUI),
		ProductClass: strings.Clone(id.ProductClass),
		SerialNumber: strings.Clone(id.SerialNumber),
	}
}

// Device returns the Device of that identity (Manufacturer does not matter), or
// nil if it is not in memory.
func (f *Fleet) Device(id cwmp.DeviceID) *Device {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.devices[id.Key()]
}

// Awaited reports whether somebody waits for a session of that Device.
func (f *Fleet) Awaited(id cwmp.DeviceID) bool {
	d := f.Device(id)
	if d == nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.queue) > 0
}

func (f *Fleet) all() []*Device {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]*Device, 0, len(f.devices))
	for _, d := range f.devices {
		all = append(all, d)
	}
	return all
}

// Devices returns a snapshot of all Devices in memory, sorted by identity.
func (f *Fleet) Devices() []Status {
	all := f.all()
	list := make([]Status, len(all))
	for i, d := range all {
		list[i] = d.Status()
	}
	slices.SortFunc(list, func(a, b Status) int {
		return cmp.Or(
			cmp.Compare(a.Identity.OUI, b.Identity.OUI),
			cmp.Compare(a.Identity.ProductClass, b.Identity.ProductClass),
			cmp.Compare(a.Identity.SerialNumber, b.Identity.SerialNumber),
		)
	})
	return list
}
