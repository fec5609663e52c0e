// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"crypto/rand"
	"slices"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/connreq"
)

// loginRPC returns the request that gives the CPE its Connection Request login,
// or nil if it has one: on first contact and after 0 BOOTSTRAP, when the CPE has
// forgotten it [TR-069 3.2.2]. It carries the ParameterKey that the CPE has, so
// that nobody takes it for a new configuration. d.mu is held.
func (d *Device) loginRPC(in *cwmp.Inform) *cwmp.SetParameterValues {
	o := &d.fleet.opts
	if o.KeepLogin || d.root == "" {
		return nil
	}
	want := o.Login
	if want == (Login{}) {
		want = d.known.Login
	}
	if want == (Login{}) {
		want = Login{Username: rand.Text()[:16], Password: rand.Text()}
	}
	if in.HasEvent(cwmp.EventBootstrap) || want != d.known.Login {
		d.known.LoginSet, d.known.LoginRefused = false, false
	}
	if d.known.LoginSet || d.known.LoginRefused {
		return nil
	}
	d.known.Login = want
	ms := d.root + "ManagementServer."
	return &cwmp.SetParameterValues{
		Params: []cwmp.ParameterValue{
			{Name: ms + "ConnectionRequestUsername", Value: want.Username, Type: cwmp.TypeString},
			{Name: ms + "ConnectionRequestPassword", Value: want.Password, Type: cwmp.TypeString},
		},
		ParameterKey: d.known.ParameterKey,
	}
}

// loginAnswered takes the CPE's answer to that request. A CPE that refuses is
// asked again after its next 0 BOOTSTRAP; d.mu is held.
func (d *Device) loginAnswered(resp cwmp.Response) {
	if _, ok := resp.(*cwmp.SetParameterValuesResponse); ok {
		d.known.LoginSet = true
		return
	}
	d.known.LoginRefused = true
	fields := []zap.Field{zap.Stringer("device", d.id), zap.String("answer", resp.Method())}
	if f, ok := resp.(*cwmp.Fault); ok {
		fields = append(fields, zap.Error(f))
	}
	d.fleet.log.Warn("CPE refuses a Connection Request login", fields...)
}

// imported is Options.Imported.
func (f *Fleet) imported(id cwmp.DeviceID) Login {
	if f.opts.Imported == nil {
		return Login{}
	}
	return f.opts.Imported(id)
}

// logins are the Connection Request logins to try, the likeliest first [quirk 79];
// d.mu is held.
func (d *Device) logins(imported Login) []connreq.Login {
	o := &d.fleet.opts
	own := d.known.Login
	if o.KeepLogin {
		own = o.Login
	}
	var list []connreq.Login
	for _, l := range []Login{own, imported} {
		if l != (Login{}) && !slices.Contains(list, connreq.Login(l)) {
			list = append(list, connreq.Login(l))
		}
	}
	for _, l := range o.OtherLogins {
		list = append(list, connreq.Login(l))
	}
	return list
}
