// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"sync"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
)

// Found is what sessions of a CPE have shown of how it wants them.
type Found struct {
	InformLoop bool `json:",omitempty"` // see acs.FoundInformLoop [quirk 41]
	Cookieless bool `json:",omitempty"` // see acs.FoundCookieless [quirk 28]
}

func (f Found) with(o Found) Found {
	return Found{InformLoop: f.InformLoop || o.InformLoop, Cookieless: f.Cookieless || o.Cookieless}
}

// profile leaves acs.Profile.NoRequests alone: a CPE that is asked nothing can not be
// managed. If that is what it takes, acs finds the next loop, too.
func (f Found) profile() acs.Profile {
	return acs.Profile{EndWith200: f.InformLoop, MinimalHeader: f.InformLoop, Cookieless: f.Cookieless}
}

// oddities are the few Devices that are not like the others, in memory or not. Each
// map has at most limit entries. Safe for concurrent use.
type oddities struct {
	limit int

	mu          sync.RWMutex
	found       map[cwmp.DeviceID]Found
	quarantined map[cwmp.DeviceID]bool
}

func (o *oddities) init(limit int) {
	o.limit = limit
	o.found, o.quarantined = make(map[cwmp.DeviceID]Found), make(map[cwmp.DeviceID]bool)
}

func (o *oddities) learn(key cwmp.DeviceID, x Found) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, known := o.found[key]; x != (Found{}) && (known || len(o.found) < o.limit) {
		o.found[cloneID(key)] = o.found[key].with(x)
	}
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

// Profile is for acs.Options.Profile: what is known of a CPE that was in memory since
// the start.
func (f *Fleet) Profile(in *cwmp.Inform) acs.Profile {
	f.odd.mu.RLock()
	defer f.odd.mu.RUnlock()
	if len(f.odd.found) == 0 {
		return acs.Profile{}
	}
	return f.odd.found[in.DeviceID.Key()].profile()
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
