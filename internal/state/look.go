// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/internal/store"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/usp"
)

// Seen is what is kept of a CPE that has come, whether it is in memory or not.
type Seen struct {
	EndpointID usp.EndpointID
	Identity   cwmp.DeviceID
	// Known is how to call it, with its Connection Request login.
	Known device.Known
	// Firmware is the SoftwareVersion that was last seen; empty where none was.
	Firmware string
	// Commands are those that are under way, in the order of their rows.
	Commands []Command
	// Given is what its Virtual Agent was given of which defaults; see agent.State.
	Given map[string][]string
	// Lacks are objects that others of its model have and it has not; see agent.State.
	Lacks []string
}

// Command is an asynchronous command of a Virtual Agent: a row of
// Device.LocalAgent.Request., with its parameters.
type Command struct{ Command, CommandKey, Originator, Status string }

// requestTable is where an Agent has its asynchronous commands.
const requestTable = "Device.LocalAgent.Request."

// EachSeen calls f for every CPE that has come, in no order, until f returns an error,
// which it returns. Records that cannot be read are left out; they were logged at the
// start.
func (s *State) EachSeen(ctx context.Context, f func(usp.EndpointID, cwmp.DeviceID) error) error {
	err := s.devices.Each(ctx, "", func(e store.Entry) error {
		h, err := s.codec.decodeHead(e.Value)
		if err != nil {
			return nil //nolint:nilerr // logged at the start
		}
		return f(h.EndpointID, h.identity())
	})
	if err != nil {
		return fmt.Errorf("state: reading the devices: %w", err)
	}
	return nil
}

// Look returns what is kept of a CPE; nil: it has not come.
func (s *State) Look(ctx context.Context, identity cwmp.DeviceID) (*Seen, error) {
	r, ok, err := s.find(ctx, identity)
	if err != nil || !ok {
		return nil, err
	}
	return s.seen(r)
}

// LookUp is Look by the Endpoint ID of its Virtual Agent.
func (s *State) LookUp(ctx context.Context, id usp.EndpointID) (*Seen, error) {
	r, _, err := s.get(ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrInvalid):
		return nil, nil //nolint:nilnil // there is none
	case err != nil:
		return nil, err
	}
	return s.seen(r)
}

func (s *State) seen(r *record) (*Seen, error) {
	out := &Seen{EndpointID: r.Head.EndpointID, Identity: r.Head.identity()}
	if r.Known != nil {
		out.Known = *r.Known
	}
	st, err := s.codec.agent(r)
	if st != nil {
		out.Firmware, out.Commands, out.Given = st.Firmware, commandsOf(st), st.Given
		out.Lacks = st.Lacks
	}
	return out, wrap(r.Head.EndpointID, err)
}

// commandsOf are the rows of the table that have a number.
func commandsOf(st *agent.State) []Command {
	var list []Command
	for _, n := range slices.Sorted(slices.Values(st.Rows[requestTable])) {
		row := requestTable + strconv.FormatUint(uint64(n), 10) + "."
		list = append(list, Command{
			Command: st.Values[row+"Command"], CommandKey: st.Values[row+"CommandKey"],
			Originator: st.Values[row+"Originator"], Status: st.Values[row+"Status"],
		})
	}
	return list
}
