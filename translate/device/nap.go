// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"context"
	"fmt"
	"io"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
)

// usual reports that an Inform has no event but those of a CPE to which nothing has
// happened.
func usual(in *cwmp.Inform) bool {
	for i := range in.Events {
		switch in.Events[i].Code {
		case cwmp.EventPeriodic, cwmp.EventValueChange, cwmp.EventConnectionRequest:
		default:
			return false
		}
	}
	return len(in.Events) > 0
}

// nap is the session of a CPE whose Device and Observer sleep, and to whom its Inform
// would have been no news, or only such as can wait: they go on to sleep, unless the CPE
// or somebody else wants something meanwhile. Then it becomes an ordinary session.
type nap struct {
	fleet *Fleet
	in    *cwmp.Inform
	info  acs.Info
	woken *session
}

var _ acs.Session = (*nap)(nil)

// nap returns a session that wakes nobody, if that will do, and otherwise nil. What is
// new in the Inform is stored by then.
func (f *Fleet) nap(in *cwmp.Inform, info *acs.Info) (*nap, error) {
	if f.opts.Resting == nil || info.InformLoop || !usual(in) || f.Device(in.DeviceID) != nil {
		return nil, nil //nolint:nilnil // it has to be an ordinary one
	}
	r := f.opts.Resting(in.DeviceID)
	if r == (Rest{}) {
		return nil, nil //nolint:nilnil // as above
	}
	l := f.likeness(in, info)
	if r.Whole != l.whole() {
		if r.Core == 0 || r.Core != l.core(r.Deaf) {
			return nil, nil //nolint:nilnil // as above
		}
		if ok, err := f.put(in, info, r, l); err != nil || !ok {
			return nil, err
		}
	}
	return &nap{fleet: f, in: in, info: *info}, nil
}

// put stores what an Inform says that can wait until the Observer is awake. It reports
// false, having done nothing, if that is too much, or the Device has come into memory.
func (f *Fleet) put(in *cwmp.Inform, info *acs.Info, r Rest, l *likeness) (ok bool, err error) {
	told, ok := toldOf(in.Params, r.Deaf)
	key := in.DeviceID.Key()
	if !ok || !f.beginPut(key) {
		return false, nil
	}
	defer f.endPut(key)
	known, ok, err := f.opts.Keeper.Load(key)
	if err != nil || !ok {
		return false, err //nolint:wrapcheck // it names the device
	}
	d := Device{known: known}
	d.learn(in, *info)
	d.known.Told = told
	if d.known != known {
		if err := f.opts.Keeper.Save(d.known); err != nil {
			return false, fmt.Errorf("device: %s: %w", key, err)
		}
	}
	f.opts.Renew(in.DeviceID, r, Rest{Whole: l.whole(), Core: r.Core, Deaf: r.Deaf})
	f.met.deferred.Inc()
	return true, nil
}

// beginPut keeps the Device of that key from coming into memory until endPut; false if
// it is there already or on its way, or another has begun.
func (f *Fleet) beginPut(key cwmp.DeviceID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.devices[key] != nil || f.puts[key] != nil || f.loading[key] > 0 || f.closed {
		return false
	}
	f.puts[cloneID(key)] = make(chan struct{})
	return true
}

func (f *Fleet) endPut(key cwmp.DeviceID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.puts[key])
	delete(f.puts, key)
}

// beginLoading waits until nothing is stored of the Device of that key, and keeps put
// from it until endLoading.
func (f *Fleet) beginLoading(key cwmp.DeviceID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.puts[key] != nil {
		under := f.puts[key]
		f.mu.Unlock()
		<-under
		f.mu.Lock()
	}
	f.loading[key]++
}

// endLoading is called with f.mu held.
func (f *Fleet) endLoading(key cwmp.DeviceID) {
	if f.loading[key]--; f.loading[key] == 0 {
		delete(f.loading, key)
	}
}

// wake makes an ordinary session of it.
func (n *nap) wake() error {
	if n.woken != nil {
		return nil
	}
	s, err := n.fleet.open(n.in, n.info)
	n.woken = s
	return err
}

// Request implements acs.Session.
func (n *nap) Request(ctx context.Context, req cwmp.Request) (cwmp.Response, error) {
	if err := n.wake(); err != nil { //nolint:contextcheck // a wake of the CPE may outlive the session
		return nil, err
	}
	return n.woken.Request(ctx, req)
}

// Next implements acs.Session.
func (n *nap) Next(ctx context.Context, last cwmp.Response) (cwmp.Request, error) {
	if n.woken == nil && n.fleet.Device(n.in.DeviceID) == nil {
		return nil, io.EOF
	}
	if err := n.wake(); err != nil { //nolint:contextcheck // as above
		return nil, err
	}
	return n.woken.Next(ctx, last)
}

// Close implements acs.Session.
func (n *nap) Close(cause error) {
	if n.woken != nil {
		n.woken.Close(cause)
	}
}
