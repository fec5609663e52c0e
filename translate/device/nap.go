// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"context"
	"encoding/binary"
	"hash/maphash"
	"io"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
)

// Sum tells Informs apart by what they say of the CPE and where they come from, not by
// their events: equal ones have the same. 0 is that of none.
type Sum uint64

// sum returns the Sum of an Inform.
func (f *Fleet) sum(in *cwmp.Inform, info *acs.Info) Sum {
	var h maphash.Hash
	h.SetSeed(f.seed)
	word := func(s string) {
		var n [4]byte
		binary.LittleEndian.PutUint32(n[:], uint32(len(s)))
		_, _ = h.Write(n[:]) // no hash fails
		_, _ = h.WriteString(s)
	}
	word(in.DeviceID.Manufacturer)
	for i := range in.Params {
		p := &in.Params[i]
		word(p.Name)
		word(p.Value)
		_ = h.WriteByte(byte(p.Type))
	}
	addr := info.Remote.Addr().As16()
	_, _ = h.Write(addr[:])
	return Sum(max(1, h.Sum64()))
}

// Sum returns that of the last Inform if one more like it would be no news to the
// Device, and otherwise 0.
func (d *Device) Sum() Sum {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sum
}

// said notes an Inform that has been taken in and stored as a whole.
func (d *Device) said(in *cwmp.Inform, info *acs.Info, s *session) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s.login == nil && !info.InformLoop && d.fleet.opts.Unmoved != nil {
		d.sum = d.fleet.sum(in, info)
	}
}

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
// would have been no news: they go on to sleep, unless the CPE or somebody else wants
// something meanwhile. Then it becomes an ordinary session.
type nap struct {
	fleet *Fleet
	in    *cwmp.Inform
	info  acs.Info
	woken *session
}

var _ acs.Session = (*nap)(nil)

// nap returns a session that wakes nobody, if that will do, and otherwise nil.
func (f *Fleet) nap(in *cwmp.Inform, info *acs.Info) *nap {
	if f.opts.Unmoved == nil || info.InformLoop || !usual(in) || f.Device(in.DeviceID) != nil ||
		!f.opts.Unmoved(in.DeviceID, f.sum(in, info)) {
		return nil
	}
	return &nap{fleet: f, in: in, info: *info}
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
