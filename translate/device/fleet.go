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

// Fleet is all Devices. It implements acs.Handler. Safe for concurrent use.
//
// Lock order: Device.told, Device.mu, Fleet.mu.
type Fleet struct {
	opts  Options
	log   *zap.Logger
	met   *metrics
	wakes chan struct{} // one element for each CPE being called

	mu      sync.Mutex
	devices map[cwmp.DeviceID]*Device
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
		wakes:   make(chan struct{}, o.MaxWakes),
		devices: make(map[cwmp.DeviceID]*Device),
	}
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

// Open implements acs.Handler.
func (f *Fleet) Open(_ context.Context, in *cwmp.Inform, info acs.Info) (acs.Session, error) {
	d, err := f.device(in.DeviceID)
	if err != nil {
		return nil, err
	}
	return d.open(in, info), nil //nolint:contextcheck // a wake may outlive the session
}

// Restore makes a Device from what Options.Save was told, without a session.
// Attach is called as for a new one. To be called before the CPE come; a Device
// that is there already is left alone.
func (f *Fleet) Restore(k Known) error {
	f.mu.Lock()
	_, exists := f.devices[k.Identity.Key()]
	f.mu.Unlock()
	if exists {
		return nil
	}
	d, err := f.device(k.Identity)
	if err != nil {
		return err
	}
	d.mu.Lock()
	d.known = k
	d.known.Identity = d.id
	d.mu.Unlock()
	d.attach()
	return nil
}

// device returns the Device of that identity and makes it if need be.
func (f *Fleet) device(id cwmp.DeviceID) (*Device, error) {
	key := id.Key()
	f.mu.Lock()
	defer f.mu.Unlock()
	if d := f.devices[key]; d != nil {
		return d, nil
	}
	if f.closed {
		return nil, errClosed
	}
	if len(f.devices) >= f.opts.MaxDevices {
		return nil, &cwmp.Fault{Code: cwmp.FaultACSResourcesExceeded, Text: "Too many devices"}
	}
	// The strings of an Inform share the memory of the whole envelope.
	key = cloneID(key)
	d := &Device{fleet: f, id: key}
	d.id.Manufacturer = strings.Clone(strings.TrimSpace(id.Manufacturer))
	d.known.Identity = d.id
	f.devices[key] = d
	f.met.devices.Inc()
	return d, nil
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
// nil if it has never been seen.
func (f *Fleet) Device(id cwmp.DeviceID) *Device {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.devices[id.Key()]
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

// Devices returns a snapshot of all Devices, sorted by identity.
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
