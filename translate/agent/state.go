// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/usp"
)

// State is what an Agent has to remember over a restart: its own part of the
// data model and the instance numbers it gave to the rows of its CPE. It is
// plain data, fit for JSON.
type State struct {
	// Values are the stored parameters, by instantiated path.
	Values map[string]string `json:"values"`
	// Rows are the instance numbers and Next the last number given, by table.
	Rows map[string][]uint32 `json:"rows"`
	Next map[string]uint32   `json:"next"`
	// Instances is the instance map of the CPE; as JSON; nil is an empty one.
	Instances json.RawMessage `json:"instances,omitempty"`
	// Firmware is the SoftwareVersion of the last Inform.
	Firmware string `json:"firmware,omitempty"`
}

// State returns a copy of what is to be stored.
func (a *Agent) State() *State {
	a.lock()
	defer a.unlock()
	s := &State{
		Values: maps.Clone(a.local.values), Next: maps.Clone(a.local.next), Rows: make(map[string][]uint32),
		Firmware: a.boot.firmware,
	}
	raw, err := json.Marshal(a.inst)
	if err != nil {
		a.log.Error("the instance map could not be encoded", zap.Error(err))
	}
	s.Instances = raw
	for table, rows := range a.local.rows {
		s.Rows[table] = slices.Clone(rows)
	}
	return s
}

// load takes a stored state. Controllers that the configuration does not have
// any more are not taken, nor what they left: their commands and Subscriptions.
// Nor are Subscriptions that are not Persistent: this is the Agent's restart.
func (l *local) load(s *State) {
	if s == nil {
		return
	}
	maps.Copy(l.values, s.Values)
	maps.Copy(l.next, s.Next)
	for table, rows := range s.Rows {
		l.rows[table] = slices.Clone(rows)
	}
	l.each(controllerTable, func(row string) {
		if id := strings.TrimSpace(l.get(row + "EndpointID")); id == "" || !l.agent.host.opts.mayControl(usp.EndpointID(id)) {
			l.drop(row)
		}
	})
	l.each(subscriptionTable, func(row string) {
		if !l.isTrue(row+"Persistent") || !l.rowsExist(l.get(row+"Recipient")+".") {
			l.drop(row)
		}
	})
	l.each(requestTable, func(row string) {
		if l.find(controllerTable, "EndpointID", l.get(row+"Originator")) == "" {
			l.drop(row)
		}
	})
}
