// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"sync"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
	"github.com/uspgate/uspgate/translate/profile"
)

// Found is what sessions of a CPE have shown of how it wants them.
type Found struct {
	InformLoop bool `json:",omitempty"` // see acs.FoundInformLoop [quirk 41]
	Cookieless bool `json:",omitempty"` // see acs.FoundCookieless [quirk 28]
}

func (f Found) with(o Found) Found {
	return Found{InformLoop: f.InformLoop || o.InformLoop, Cookieless: f.Cookieless || o.Cookieless}
}

// Profile is f for others. It leaves NoRequests alone: a CPE that is asked nothing can
// not be managed. If that is what it takes, acs finds the next loop, too.
func (f Found) Profile() profile.Profile {
	return profile.Profile{EndWith200: f.InformLoop, MinimalHeader: f.InformLoop, Cookieless: f.Cookieless}
}

// oddities are the few Devices that are not like the others, in memory or not. Each
// map has at most limit entries. Safe for concurrent use.
type oddities struct {
	limit int

	mu          sync.RWMutex
	found       map[cwmp.DeviceID]Found
	models      map[kind]*witnesses
	quarantined map[cwmp.DeviceID]bool
}

// kind is what the CPE of one model have in common, with any firmware.
type kind struct{ oui, productClass string }

// witnesses are those that have shown something first, and what others have shown as
// well: that is of the model.
type witnesses struct {
	loop, cookieless cwmp.DeviceID
	agreed           Found
}

// testify adds what a CPE has shown.
func (w *witnesses) testify(key cwmp.DeviceID, x Found) {
	second := func(first *cwmp.DeviceID) bool {
		if *first == (cwmp.DeviceID{}) {
			*first = key
		}
		return *first != key
	}
	w.agreed.InformLoop = w.agreed.InformLoop || x.InformLoop && second(&w.loop)
	w.agreed.Cookieless = w.agreed.Cookieless || x.Cookieless && second(&w.cookieless)
}

func (o *oddities) init(limit int) {
	o.limit = limit
	o.found, o.quarantined = make(map[cwmp.DeviceID]Found), make(map[cwmp.DeviceID]bool)
	o.models = make(map[kind]*witnesses)
}

func (o *oddities) learn(key cwmp.DeviceID, x Found) {
	if x == (Found{}) {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, known := o.found[key]; !known && len(o.found) >= o.limit {
		return
	}
	key = cloneID(key)
	o.found[key] = o.found[key].with(x)
	k := kind{key.OUI, key.ProductClass}
	if k.productClass == "" { // it may be any
		return
	}
	if o.models[k] == nil {
		o.models[k] = &witnesses{}
	}
	o.models[k].testify(key, x)
}

// of is what a CPE has shown itself, ofModel what at least two of its model have.
func (o *oddities) of(key cwmp.DeviceID) Found {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.found[key]
}

func (o *oddities) ofModel(key cwmp.DeviceID) Found {
	o.mu.RLock()
	defer o.mu.RUnlock()
	if w := o.models[kind{key.OUI, key.ProductClass}]; w != nil {
		return w.agreed
	}
	return Found{}
}

// quarantine puts a Device into quarantine, or takes it out. It reports whether that
// is new.
func (o *oddities) quarantine(key cwmp.DeviceID, in bool) bool {
	o.mu.RLock()
	same := o.quarantined[key] == in
	o.mu.RUnlock()
	if same {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.quarantined[key] == in, in && len(o.quarantined) >= o.limit:
		return false
	case in:
		o.quarantined[cloneID(key)] = true
	default:
		delete(o.quarantined, key)
	}
	return true
}

// Found is for acs.Options.Found. What was found of a Device in memory is stored with
// its next Inform, or the end of its session.
func (f *Fleet) Found(x acs.Finding) {
	var found Found
	switch x.Kind {
	case acs.FoundInformLoop:
		found.InformLoop = true
	case acs.FoundCookieless:
		found.Cookieless = true
	case acs.FoundConflict:
		return // Open is told
	}
	f.odd.learn(x.Device.Key(), found)
	if d := f.Device(x.Device); d != nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.found(found)
	}
}

// found notes what was found; d.mu is held.
func (d *Device) found(x Found) {
	if all := d.known.Found.with(x); all != d.known.Found {
		d.known.Found, d.unsaved = all, true
	}
}

// judge refuses the sessions of boxes that share a DeviceID, until acs does not take
// them for two any more: one Device for both would mix them up [quirk 27].
func (f *Fleet) judge(in *cwmp.Inform, c *acs.Conflict) error {
	if f.odd.quarantine(in.DeviceID.Key(), c != nil) {
		if c == nil {
			f.met.quarantined.Dec()
			f.log.Info("a CPE is out of quarantine", zap.Stringer("device", in.DeviceID))
		} else {
			f.met.quarantined.Inc()
			f.log.Warn("a CPE is in quarantine: two boxes have its DeviceID",
				zap.Stringer("device", in.DeviceID), zap.Any("boxes", c.Boxes))
		}
	}
	if c == nil {
		return nil
	}
	return &cwmp.Fault{Code: cwmp.FaultACSRequestDenied, Text: "Another box has the same DeviceId"}
}
