// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/translate/model"
	"github.com/uspgate/uspgate/translate/transfer"
	"github.com/uspgate/uspgate/usp"
)

// State is what an Agent has to remember while it sleeps and over a restart,
// beside the Tree: its own part of the data model, the instance numbers it gave to
// the rows of its CPE, and what it owes to others. It is plain data, fit for JSON.
type State struct {
	// Values are the stored parameters, by instantiated path.
	Values map[string]string `json:"values"`
	// Rows are the instance numbers and Next the last number given, by table.
	Rows map[string][]uint32 `json:"rows"`
	Next map[string]uint32   `json:"next"`
	// Instances is the instance map of the CPE, as JSON; nil is an empty one.
	Instances json.RawMessage `json:"instances,omitempty"`
	// Firmware is the SoftwareVersion of the last Inform.
	Firmware string `json:"firmware,omitempty"`
	// Ordered is a boot that a Controller has ordered and that was not seen yet.
	Ordered *BootOrder `json:"ordered,omitempty"`
	// Versions are the Record versions of the Controllers.
	Versions map[usp.EndpointID]string `json:"versions,omitempty"`
	// Pending are the Notifies that wait for their response.
	Pending []PendingNotify `json:"pending,omitempty"`
	// Watched are the CPE's names with active notification, Unwatchable those for
	// which it refuses that, Unwatched those for which it had no room.
	Watched     []string `json:"watched,omitempty"`
	Unwatchable []string `json:"unwatchable,omitempty"`
	Unwatched   []string `json:"unwatched,omitempty"`
	// Compared are the CPE's tables whose rows were compared since their number is watched.
	Compared []string `json:"compared,omitempty"`
	// Batch is how many names the CPE takes at once.
	Batch int `json:"batch,omitempty"`
	// Discover: the whole CPE is to be read in its next session. Unsure are the
	// objects that are.
	Discover bool     `json:"discover,omitempty"`
	Unsure   []string `json:"unsure,omitempty"`
	// Newborn: its CPE has not come yet since it was made. Given are the Seeds that it has
	// been given, by the name of their Defaults.
	Newborn bool                `json:"newborn,omitempty"`
	Given   map[string][]string `json:"given,omitempty"`
	// Updated: the names of the CPE are those of another software version. Grown is
	// Supports.Grown of its model when it was last looked at, and Lacks are objects of the
	// model that the CPE has not.
	Updated bool     `json:"updated,omitempty"`
	Grown   uint64   `json:"grown,omitempty"`
	Lacks   []string `json:"lacks,omitempty"`
	// Transfers are those that are under way.
	Transfers []transfer.Job `json:"transfers,omitempty"`
	// Wakes are when the Agent has to be awake.
	Wakes []Wake `json:"wakes,omitempty"`
	// Grants are the Controllers that others have added.
	Grants []Grant `json:"grants,omitempty"`
	// Rest is by what the Agent sleeps, if it does.
	Rest device.Rest `json:"rest,omitzero"`
	// Demands are what has to be proved of Controllers; nil is nothing.
	Demands *Demands `json:"demands,omitempty"`
}

// BootOrder is a reboot or reset that the CPE has accepted.
type BootOrder struct {
	Command string `json:"command"`
	Cause   string `json:"cause"`
	Key     string `json:"key,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// PendingNotify is a Notify that is sent again until it is answered.
type PendingNotify struct {
	To      usp.EndpointID `json:"to"`
	MsgID   string         `json:"msg_id"`
	Row     string         `json:"row,omitempty"` // of its Subscription
	Payload []byte         `json:"payload"`       // the encoded Message
	Tries   int            `json:"tries"`
	// Due is when it is sent again, Expires when it is given up, in seconds of Unix
	// time; 0 is never.
	Due     int64 `json:"due"`
	Expires int64 `json:"expires,omitempty"`
}

// State returns a copy of what is to be stored.
func (a *Agent) State() *State {
	a.lock()
	defer a.unlock()
	return a.state()
}

// state is State with the lock held.
func (a *Agent) state() *State {
	s := &State{
		Values: maps.Clone(a.local.values), Next: maps.Clone(a.local.next), Rows: make(map[string][]uint32),
		Firmware: a.boot.firmware, Versions: make(map[usp.EndpointID]string), Batch: a.fresh.batch,
		Discover: a.disc.due, Wakes: a.wakes(), Rest: a.saving.rest, Pending: a.notes.kept(),
		Transfers:   a.transfers.table.Stored(),
		Updated:     a.sisters.updated,
		Grown:       a.sisters.grown,
		Lacks:       slices.Clone(a.sisters.lacks),
		Newborn:     a.member.newborn,
		Given:       maps.Clone(a.member.given),
		Grants:      a.granted(),
		Demands:     a.demanded(),
		Watched:     a.attrs.kept(),
		Unwatchable: slices.Sorted(maps.Keys(a.attrs.refused)),
		Unwatched:   slices.Sorted(maps.Keys(a.attrs.full)),
		Compared:    slices.Sorted(maps.Keys(a.attrs.rows)),
	}
	raw, err := json.Marshal(a.inst)
	if err != nil {
		a.log.Error("the instance map could not be encoded", zap.Error(err))
	}
	s.Instances = raw
	for table, rows := range a.local.rows {
		s.Rows[table] = slices.Clone(rows)
	}
	if o := a.boot.ordered; o != nil {
		s.Ordered = &BootOrder{Command: o.command, Cause: o.cause, Key: o.key, Reason: o.reason}
	}
	for id, version := range a.versions {
		if a.controllerRow(id) != "" { // not of strangers
			s.Versions[id] = version
		}
	}
	unsure := maps.Clone(a.unsure)
	maps.Copy(unsure, a.reading)
	s.Unsure = slices.Sorted(maps.Keys(unsure))
	return s
}

// load takes a stored state. Controllers that the configuration does not have
// any more are not taken, nor what they left: their commands, Subscriptions and Profiles.
// Nor, after a restart, are Subscriptions that are not Persistent: it is the
// Agent's. It reports whether anything was left out.
func (l *local) load(s *State, restarted bool) (dropped bool) {
	maps.Copy(l.values, s.Values)
	maps.Copy(l.next, s.Next)
	for table, rows := range s.Rows {
		l.rows[table] = slices.Clone(rows)
	}
	drop := func(row string) {
		l.drop(row)
		dropped = true
	}
	l.each(controllerTable, func(row string) {
		if !l.stays(row) {
			drop(row)
		}
	})
	l.each(subscriptionTable, func(row string) {
		if restarted && !l.isTrue(row+"Persistent") || !l.rowsExist(l.get(row+"Recipient")+".") {
			drop(row)
		}
	})
	l.each(profileTable, func(row string) {
		if !l.rowsExist(l.get(row+"Controller") + ".") {
			drop(row)
		}
	})
	l.each(requestTable, func(row string) {
		if l.find(controllerTable, "EndpointID", l.get(row+"Originator")) == "" {
			drop(row)
		}
	})
	return dropped
}

// remember takes what a State holds beside the local tree. The lock is held.
func (a *Agent) remember(s *State) {
	a.boot.firmware = s.Firmware
	if o := s.Ordered; o != nil {
		a.boot.ordered = &bootOrder{command: o.Command, cause: o.Cause, key: o.Key, reason: o.Reason}
	}
	if err := json.Unmarshal(s.Instances, a.inst); len(s.Instances) > 0 && err != nil {
		a.log.Error("the stored instance map is not readable; rows are numbered anew", zap.Error(err))
	}
	maps.Copy(a.versions, s.Versions)
	for _, name := range s.Watched {
		a.attrs.set[name] = true
	}
	for _, name := range s.Unwatchable {
		a.attrs.refused[name] = true
	}
	for _, name := range s.Unwatched {
		a.attrs.full[name] = true
	}
	for _, name := range s.Compared {
		a.attrs.rows[name] = true
	}
	if s.Batch > 0 {
		a.fresh.batch = min(s.Batch, maxBatch)
	}
	a.disc.due = s.Discover
	a.sisters.updated, a.sisters.grown, a.sisters.lacks = s.Updated, s.Grown, s.Lacks
	for _, o := range s.Unsure {
		a.unsure[o] = true
	}
}

// tree returns what is to be stored of the CPE's tree, nil if nothing is known.
// The lock is held.
func (a *Agent) tree() *Tree {
	if a.view == nil {
		return nil
	}
	t := &Tree{
		Identity: a.identity, Firmware: a.firmware(), Shown: a.view.Snapshot(), Known: a.disc.known,
		Current: a.disc.known && !a.disc.due && !a.disc.running,
		Read:    make(map[string]int64, len(a.fresh.at)), Refused: slices.Sorted(maps.Keys(a.fresh.refused)),
	}
	if t.Current {
		t.Supports = a.supports()
	}
	for name, at := range a.fresh.at {
		t.Read[name] = at.Unix()
	}
	return t
}

// plant takes a stored tree; what it shows is news to nobody. The lock is held.
func (a *Agent) plant(t *Tree) {
	if t == nil || t.Shown == nil {
		return
	}
	a.view = model.Restore(a.host.opts.Rules, t.Shown, a.inst)
	a.disc.known, a.disc.quiet = t.Known, !t.Known
	for name, at := range t.Read {
		a.fresh.note(name, time.Unix(at, 0))
	}
	for _, name := range t.Refused {
		a.fresh.refused[name] = true
	}
}
