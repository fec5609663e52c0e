// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/connreq"
	"github.com/uspgate/uspgate/internal/admin"
	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/internal/inventory"
	"github.com/uspgate/uspgate/internal/state"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/translate/profile"
	"github.com/uspgate/uspgate/usp"
)

// lookUp bounds how long it takes to find an entry of the inventory.
const lookUp = 5 * time.Second

// desk answers what the administrator asks about CPE. Where there are several nodes,
// sessions, wakes and quarantine are those of this one; all else is the same at each.
type desk struct {
	kept    *state.State
	host    *agent.Host
	shared  bool // there may be several nodes
	fleet   *device.Fleet
	waker   *connreq.Waker
	informs *informs
	cwmp    *config.CWMP

	importing sync.Mutex
}

var _ admin.Devices = (*desk)(nil)

// target is the CPE that somebody means.
type target struct {
	id     cwmp.DeviceID
	seen   *state.Seen   // nil: it has never come
	listed *state.Listed // nil: nothing is listed of it
}

// find returns the CPE of that name, an identity or an Endpoint ID; nil: there is none.
func (k *desk) find(ctx context.Context, name string) (*target, error) {
	t := &target{}
	var err error
	if scheme, rest, ok := strings.Cut(name, "::"); ok {
		if t.seen, err = k.kept.LookUp(ctx, usp.EndpointID(name)); err != nil {
			return nil, err
		}
		if t.seen == nil && (scheme == "os" || scheme == "ops") {
			id, err := inventory.ParseID(rest)
			if err != nil || agent.EndpointIDFor(id) != usp.EndpointID(name) {
				return nil, nil //nolint:nilerr,nilnil // it is none of ours
			}
			t.id = id
		}
	} else {
		if t.id, err = inventory.ParseID(name); err != nil {
			return nil, nil //nolint:nilerr,nilnil // nobody is called so
		}
		if t.seen, err = k.kept.Look(ctx, t.id); err != nil {
			return nil, err
		}
	}
	if t.seen != nil {
		t.id = t.seen.Identity
	}
	if t.id.SerialNumber == "" {
		return nil, nil //nolint:nilnil // nobody is called so
	}
	if t.listed, err = k.kept.Inventory().Get(ctx, t.id); err != nil {
		return nil, err
	}
	if t.seen == nil && t.listed == nil {
		return nil, nil //nolint:nilnil // there is none
	}
	return t, nil
}

// live is what a CPE that has come does now.
func (k *desk) live(id cwmp.DeviceID) (string, device.Status) {
	d := k.fleet.Device(id)
	if d == nil {
		return admin.StateAsleep, device.Status{}
	}
	s := d.Status()
	switch {
	case s.InSession:
		return admin.StateSession, s
	case s.Waking || k.waker.Waking(id.String()):
		return admin.StateWaking, s
	default:
		return admin.StateAsleep, s
	}
}

// row is what a list has of the CPE.
func (k *desk) row(t *target) admin.Device {
	d := admin.Device{
		ID: t.id.String(), EndpointID: agent.EndpointIDFor(t.id), Manufacturer: t.id.Manufacturer, OUI: t.id.OUI,
		ProductClass: t.id.ProductClass, SerialNumber: t.id.SerialNumber, State: admin.StateExpected,
		Quarantined: k.fleet.InQuarantine(t.id), LastInform: k.informs.of(t.id),
	}
	if t.seen != nil {
		var now device.Status
		d.EndpointID = t.seen.EndpointID
		d.State, now = k.live(t.id)
		d.Waiting = now.Queue
	} else if k.waker.Waking(d.ID) {
		d.State = admin.StateWaking
	}
	if t.listed != nil {
		d.Login, d.Tags = t.listed.From, t.listed.Tags
		d.Manufacturer = cmp.Or(d.Manufacturer, t.listed.ID.Manufacturer)
	}
	return d
}

// Show implements admin.Devices.
func (k *desk) Show(ctx context.Context, name string) (*admin.DeviceDetail, error) {
	t, err := k.find(ctx, name)
	if err != nil || t == nil {
		return nil, err
	}
	d := &admin.DeviceDetail{Device: k.row(t)}
	if l := t.listed; l != nil && l.From != "" {
		d.ACSLogin = &admin.DeviceLogin{Username: l.ACS.Username, From: l.From, Since: l.Since.UTC()}
	}
	d.ConnectionRequest = k.call(t)
	if t.seen == nil {
		return d, nil
	}
	_, now := k.live(t.id)
	d.SoftwareVersion, d.Events, d.OnWire = t.seen.Firmware, now.Events, now.OnWire
	d.ParameterKey = t.seen.Known.ParameterKey
	switch {
	case now.Remote.IsValid():
		d.Source = now.Remote.Addr().String()
	case t.seen.Known.Source.IsValid():
		d.Source = t.seen.Known.Source.String()
	}
	for _, c := range t.seen.Commands {
		d.Commands = append(d.Commands, admin.DeviceCommand(c))
	}
	if d.Quarantined {
		d.Boxes = k.informs.twins(t.id)
	}
	d.Lacks = t.seen.Lacks
	d.Profile = k.profile(t.seen)
	var tags []string
	if t.listed != nil {
		tags = t.listed.Tags
	}
	for _, s := range k.host.DefaultsOf(t.seen.Identity, t.seen.Firmware, tags, t.seen.Given) {
		d.Defaults = append(d.Defaults, admin.DeviceDefaults(s))
	}
	return d, nil
}

// profile lists how the gateway treats a CPE, with where that is from.
func (k *desk) profile(seen *state.Seen) []admin.Trait {
	layers := k.fleet.Layers(seen.Identity, seen.Firmware, seen.Known.Found)
	unread := 0
	if m := k.model(seen); m != nil {
		layers = append(layers, profile.Layer{From: device.LearnedOfModel, Profile: m.Habits.Profile()})
		unread = len(m.Habits.Refused)
	}
	var list []admin.Trait
	for _, t := range profile.Traits(layers) {
		list = append(list, admin.Trait(t))
	}
	if unread > 0 {
		list = append(list, admin.Trait{
			Name: "refused_names", Value: strconv.Itoa(unread), From: device.LearnedOfModel,
		})
	}
	return list
}

// model is what is known of the model of a CPE; nil: nothing is, or can be told now.
func (k *desk) model(seen *state.Seen) *agent.Model {
	key, ok := agent.ModelKeyOf(seen.Identity, seen.Firmware)
	if !ok {
		return nil
	}
	m, err := k.kept.Agents().LoadModel(key)
	if err != nil {
		return nil
	}
	return m
}

// call is how a CPE can be woken.
func (k *desk) call(t *target) admin.Call {
	c := admin.Call{Provisioning: "due"}
	if t.seen != nil {
		known := &t.seen.Known
		c.URL, c.UDPAddress, c.JID, c.Methods = known.ConnectionRequestURL, known.UDPAddress, known.JID, known.Methods
		c.WokenBy = string(known.WokenBy)
		switch {
		case known.LoginSet:
			c.Provisioning = "done"
		case known.LoginRefused:
			c.Provisioning = "refused"
		}
	}
	if c.URL != "" {
		c.URLFrom = "inform"
	} else if t.listed != nil && t.listed.ConnectionRequestURL != "" {
		c.URL, c.URLFrom = t.listed.ConnectionRequestURL, state.Imported
	}
	if !k.cwmp.ConnectionRequest.Provision {
		c.Provisioning = "off"
	}
	for _, l := range k.logins(t) {
		c.Usernames = append(c.Usernames, l.Username)
	}
	if r, ok := k.waker.Report(t.id.String()); ok && !r.Began.IsZero() {
		c.Last = woken(&r)
	}
	return c
}

// logins are those that are tried, as a Device does, and for a CPE that has none yet.
func (k *desk) logins(t *target) []connreq.Login {
	cr := &k.cwmp.ConnectionRequest
	var list []connreq.Login
	add := func(l connreq.Login) {
		if l != (connreq.Login{}) && !slices.Contains(list, l) {
			list = append(list, l)
		}
	}
	switch {
	case !cr.Provision:
		add(connreq.Login{Username: cr.Username, Password: cr.Password.Reveal()})
	case t.seen != nil:
		add(connreq.Login(t.seen.Known.Login))
	}
	if t.listed != nil {
		add(connreq.Login(t.listed.ConnectionRequest))
	}
	for _, l := range cr.Logins {
		add(connreq.Login{Username: l.Username, Password: l.Password.Reveal()})
	}
	return list
}

// woken is a report without what is secret in it.
func woken(r *connreq.Report) *admin.Woken {
	w := &admin.Woken{Began: r.Began.UTC(), Ended: r.Ended.UTC(), Method: string(r.Method), Steps: []admin.Rung{}}
	if r.Ended.IsZero() {
		w.Ended = r.Ended
	}
	for _, s := range r.Steps {
		w.Steps = append(w.Steps, admin.Rung{
			At: s.At.UTC(), Method: string(s.Method), To: s.To, Username: s.Username, Result: s.Result, Detail: s.Detail,
		})
	}
	w.Session = r.Method != ""
	return w
}

// Wake implements admin.Devices. A CPE that has never come is asked where its entry
// says, if that is one of the networks of the configuration.
func (k *desk) Wake(ctx context.Context, name string) (*admin.Woken, error) {
	t, err := k.find(ctx, name)
	if err != nil || t == nil {
		return nil, err
	}
	var r connreq.Report
	if t.seen != nil {
		r, err = k.fleet.Summon(ctx, t.id)
		return summoned(&r, err), nil
	}
	r, err = k.waker.Wake(ctx, connreq.CPE{
		Key: t.id.String(), URL: t.listed.ConnectionRequestURL, Logins: k.logins(t),
	})
	return summoned(&r, err), nil
}

func summoned(r *connreq.Report, err error) *admin.Woken {
	w := woken(r)
	w.Session = err == nil
	if err != nil {
		w.Reason = strings.TrimPrefix(err.Error(), "connreq: ")
	}
	return w
}

// ForgetLogin implements admin.Devices.
func (k *desk) ForgetLogin(ctx context.Context, name string) (bool, error) {
	t, err := k.find(ctx, name)
	if err != nil || t == nil {
		return false, err
	}
	return k.kept.Inventory().Forget(ctx, t.id)
}

// Unlist implements admin.Devices.
func (k *desk) Unlist(ctx context.Context, name string) (bool, error) {
	t, err := k.find(ctx, name)
	if err != nil || t == nil {
		return false, err
	}
	return k.kept.Inventory().Remove(ctx, t.id)
}

// importedLogin is device.Options.Imported: without an entry, or one that cannot be
// read, nothing is known.
func (a *App) importedLogin(id cwmp.DeviceID) device.Login {
	ctx, cancel := context.WithTimeout(context.Background(), lookUp)
	defer cancel()
	l, err := a.keep.state.Inventory().Get(ctx, id)
	if err != nil || l == nil {
		return device.Login{}
	}
	return device.Login(l.ConnectionRequest)
}

// tags is agent.Options.Tags: without an entry, or one that cannot be read, there are
// none.
func (a *App) tags(id cwmp.DeviceID) []string {
	ctx, cancel := context.WithTimeout(context.Background(), lookUp)
	defer cancel()
	l, err := a.keep.state.Inventory().Get(ctx, id)
	if err != nil || l == nil {
		return nil
	}
	return l.Tags
}
