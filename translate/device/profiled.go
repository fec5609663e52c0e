// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"net/http"
	"strings"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
	"github.com/uspgate/uspgate/cwmp/connreq"
	"github.com/uspgate/uspgate/cwmp/soap"
	"github.com/uspgate/uspgate/translate/profile"
)

// Where the Layers of a CPE are from that its sessions have taught.
const (
	LearnedOfModel = "learned of its model"
	LearnedOfCPE   = "learned of it"
)

// Layers returns what the Profile of a CPE is made of, as far as Options.Profiles and
// sessions say, the earlier first; own is what is known of the CPE itself, see
// Known.Found. Firmware may be empty if it is not known.
func (f *Fleet) Layers(id cwmp.DeviceID, firmware string, own Found) []profile.Layer {
	layers := f.opts.Profiles.Layers(profile.Model{
		Manufacturer: strings.TrimSpace(id.Manufacturer), OUI: id.Key().OUI, ProductClass: id.Key().ProductClass,
		SoftwareVersion: firmware,
	})
	if of := f.odd.ofModel(id.Key()); of != (Found{}) {
		layers = append(layers, profile.Layer{From: LearnedOfModel, Profile: of.Profile()})
	}
	if own != (Found{}) {
		layers = append(layers, profile.Layer{From: LearnedOfCPE, Profile: own.Profile()})
	}
	return layers
}

// Profile is for acs.Options.Profile: what is known of the model of a CPE, and of one
// that was in memory since the start.
func (f *Fleet) Profile(in *cwmp.Inform) acs.Profile {
	layers := f.Layers(in.DeviceID, firmwareOf(in), f.odd.of(in.DeviceID.Key()))
	if len(layers) == 0 {
		return acs.Profile{}
	}
	var p profile.Profile
	for _, l := range layers {
		p = p.Merge(l.Profile)
	}
	return sessionOf(&p)
}

// sessionOf is what a Profile says of sessions.
func sessionOf(p *profile.Profile) acs.Profile {
	out := acs.Profile{
		EndWith200: p.EndWith200, FarewellPosts: p.FarewellPosts, Cookieless: p.Cookieless,
		MinimalHeader: p.MinimalHeader, NoRequests: p.NoRequests, SessionTimeout: p.SessionTimeout,
		Style: soap.Style{WholeSeconds: p.WholeSeconds},
	}
	switch p.Booleans {
	case profile.Digits:
		out.Style.Booleans = soap.BooleansDigits
	case profile.Words:
		out.Style.Booleans = soap.BooleansWords
	}
	for _, line := range p.Header {
		if out.Header == nil {
			out.Header = make(http.Header, len(p.Header))
		}
		name, value, _ := strings.Cut(line, ":")
		out.Header[name] = append(out.Header[name], strings.TrimSpace(value)) // spelt as it is
	}
	return out
}

// ways is CPE.Methods for a wake: those of the Profile, else what the CPE says. d.mu is
// held.
func (d *Device) ways() string {
	var p profile.Profile
	for _, l := range d.fleet.Layers(d.id, d.known.SoftwareVersion, Found{}) {
		p = p.Merge(l.Profile)
	}
	if len(p.ConnectionRequest) == 0 {
		return d.known.Methods
	}
	names := make([]string, len(p.ConnectionRequest))
	for i, way := range p.ConnectionRequest {
		names[i] = strings.ToUpper(way)
		if way == string(connreq.UDP) {
			names[i] = "STUN"
		}
	}
	return strings.Join(names, ",")
}

// firmwareOf is the SoftwareVersion in an Inform, which each has.
func firmwareOf(in *cwmp.Inform) string {
	for i := range in.Params {
		if strings.HasSuffix(in.Params[i].Name, ".DeviceInfo.SoftwareVersion") {
			return strings.TrimSpace(in.Params[i].Value)
		}
	}
	return ""
}
