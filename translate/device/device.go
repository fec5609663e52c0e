// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
)

// Device is one CPE as the gateway sees it: asleep most of the time, with a
// queue of RPCs that wait for its next session. Safe for concurrent use.
type Device struct {
	fleet *Fleet
	id    cwmp.DeviceID

	told     sync.Mutex // one callback at a time
	attached bool
	obs      Observer

	mu         sync.Mutex
	known      Known
	root       string // "Device." or "InternetGatewayDevice."
	lastInform time.Time
	events     []string
	remote     netip.AddrPort
	queue      []*call
	sess       *session // nil while the CPE sleeps, or is being sent to sleep
	holds      int
	wake       *wake     // nil if nobody calls the CPE
	last       *likeness // of the last Inform, nil if one more like it is news
	unsaved    bool      // known is not with the Keeper
	retired    bool      // has left the memory
}

// Status is a snapshot of a Device.
type Status struct {
	Identity cwmp.DeviceID
	// LastInform is when the last Inform came, by the gateway's clock; zero if
	// none has since the start.
	LastInform time.Time
	Events     []string // of the last Inform
	Remote     netip.AddrPort
	InSession  bool
	OnWire     string // method of the RPC that has no response yet
	Queue      int    // RPCs that wait
	Waking     bool
	// ConnectionRequestURL and ParameterKey as last reported by the CPE.
	ConnectionRequestURL string
	ParameterKey         string
}

// Identity returns the DeviceID of the first Inform; OUI, ProductClass and
// SerialNumber are as in cwmp.DeviceID.Key.
func (d *Device) Identity() cwmp.DeviceID { return d.id }

// Status returns a snapshot.
func (d *Device) Status() Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := Status{
		Identity:             d.id,
		LastInform:           d.lastInform,
		Events:               slices.Clone(d.events),
		Remote:               d.remote,
		InSession:            d.sess != nil,
		Queue:                len(d.queue),
		Waking:               d.wake != nil,
		ConnectionRequestURL: d.known.ConnectionRequestURL,
		ParameterKey:         d.known.ParameterKey,
	}
	if d.sess != nil && d.sess.wire != nil {
		s.OnWire = d.sess.wire.req.Method()
	}
	return s
}

// Hold keeps an open session from ending between two Calls, for at most
// Options.HoldTime after each RPC, until release is called. It does not wake the
// CPE. Release may be called more than once.
func (d *Device) Hold() (release func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.holds++
	return sync.OnceFunc(d.release)
}

func (d *Device) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.holds--; d.holds == 0 && d.sess != nil {
		d.sess.ring()
	}
}

// OnWire returns a context that makes Call run f immediately before the request
// leaves; the request is sent only if f returns nil, otherwise Call fails with
// ErrNotSent and f's error. It is how a journal learns that an outcome may
// become unknown before it can. f runs in the session and delays it; it may run
// again if the session broke before the request had left, or for a read.
func OnWire(ctx context.Context, f func() error) context.Context {
	return context.WithValue(ctx, onWireKey{}, f)
}

// Leave runs the function of OnWire, if ctx has one, and returns its error. It is
// for those who stand in for a Device: they call it before a request has an
// effect.
func Leave(ctx context.Context) error {
	if hook, ok := ctx.Value(onWireKey{}).(func() error); ok {
		return hook()
	}
	return nil
}

type onWireKey struct{}

// open begins a session with the CPE; what the last one left open is settled. It
// returns once everything that the Inform has changed is stored.
func (d *Device) open(in *cwmp.Inform, info acs.Info) (*session, error) {
	s := &session{d: d, looping: info.InformLoop}
	d.told.Lock()
	defer d.told.Unlock()
	d.mu.Lock()
	old := d.sess
	d.mu.Unlock()
	if old != nil {
		old.endTold(acs.ErrReplaced)
	}
	d.mu.Lock()
	if d.retired {
		d.mu.Unlock()
		return nil, errRetired
	}
	before := d.known
	d.last = nil
	d.learn(in, info)
	s.login = d.loginRPC(in)
	d.unsaved = d.unsaved || d.known != before
	d.sess = s
	if w := d.fleet.opts.Waker; w != nil {
		w.Arrived(d.id.String())
	}
	d.mu.Unlock()
	if err := d.begin(in); err != nil {
		s.endTold(err)
		return nil, err
	}
	d.said(in, &info, s)
	return s, nil
}

// begin tells the Observer of a session, and has everybody store what is new.
func (d *Device) begin(in *cwmp.Inform) error {
	if err := d.attach(); err != nil {
		return err
	}
	if err := d.save(); err != nil {
		return err
	}
	if d.obs == nil {
		return nil
	}
	d.obs.Inform(in)
	return d.obs.Commit() //nolint:wrapcheck // the Observer's own
}

// attach finds the Observer; d.told is held.
func (d *Device) attach() error {
	if d.attached {
		return nil
	}
	if d.fleet.opts.Attach != nil {
		obs, err := d.fleet.opts.Attach(d)
		if err != nil {
			return fmt.Errorf("device: %s: %w", d.id, err)
		}
		d.obs = obs
	}
	d.attached = true
	return nil
}

// save stores what is known of the CPE, if that has changed.
func (d *Device) save() error {
	d.mu.Lock()
	known, unsaved := d.known, d.unsaved
	d.unsaved = false
	d.mu.Unlock()
	if k := d.fleet.opts.Keeper; k != nil && unsaved {
		if err := k.Save(known); err != nil {
			d.mu.Lock()
			d.unsaved = true
			d.mu.Unlock()
			return fmt.Errorf("device: %s: %w", d.id, err)
		}
	}
	return nil
}

// learn takes from an Inform what is needed to call the CPE; d.mu is held.
func (d *Device) learn(in *cwmp.Inform, info acs.Info) {
	d.lastInform = time.Now()
	d.remote = info.Remote
	d.events = slices.Grow(d.events[:0], len(in.Events))
	for i := range in.Events {
		d.events = append(d.events, strings.Clone(in.Events[i].Code))
	}
	for i := range in.Params {
		root, leaf, _ := strings.Cut(in.Params[i].Name, ".")
		if d.root == "" && (root == "Device" || root == "InternetGatewayDevice") {
			d.root = strings.Clone(root) + "."
		}
		d.noteParam(leaf, in.Params[i].Value)
		if leaf == "DeviceInfo.SoftwareVersion" {
			note(&d.known.SoftwareVersion, strings.TrimSpace(in.Params[i].Value))
		}
	}
	if a := info.Remote.Addr(); a.IsValid() {
		d.known.Source = a
	}
}

// read takes from values that somebody has asked the CPE for what is needed to call it:
// few Informs have all of that. d.mu is held.
func (d *Device) read(values []cwmp.ParameterValue) {
	before := d.known
	for i := range values {
		root, leaf, _ := strings.Cut(values[i].Name, ".")
		if (root == "Device" || root == "InternetGatewayDevice") && !values[i].NoValue {
			d.noteParam(leaf, values[i].Value)
		}
	}
	d.unsaved = d.unsaved || d.known != before
}

// noteParam notes a parameter by its name below the root; d.mu is held.
func (d *Device) noteParam(name, value string) {
	leaf, ok := strings.CutPrefix(name, "ManagementServer.")
	if !ok {
		return
	}
	switch leaf {
	case "ConnectionRequestURL":
		note(&d.known.ConnectionRequestURL, strings.TrimSpace(value))
	case "UDPConnectionRequestAddress":
		note(&d.known.UDPAddress, strings.TrimSpace(value))
	case "ConnReqJabberID":
		note(&d.known.JID, strings.TrimSpace(value))
	case "SupportedConnReqMethods":
		note(&d.known.Methods, strings.TrimSpace(value))
	case "STUNUsername":
		note(&d.known.STUNUsername, value)
	case "ParameterKey":
		note(&d.known.ParameterKey, value)
	}
}

// note keeps a copy of v in *to: v shares the memory of the whole envelope.
func note(to *string, v string) {
	if *to != v {
		*to = strings.Clone(v)
	}
}
