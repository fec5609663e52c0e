// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/translate/model"
	"github.com/uspgate/uspgate/usp"
)

// Keeper keeps Agents while they sleep, and over a restart. Safe for concurrent
// use; its methods block for as long as storage does.
type Keeper interface {
	// Each calls f for every Agent that is kept, in no order, until f returns an
	// error, which it returns.
	Each(f func(Kept) error) error
	// Register keeps a CPE that is new, and returns the Endpoint ID that its Agent
	// has for ever: the first of EndpointIDs that no other CPE has. Of a CPE that
	// is kept already it returns that of its Agent.
	Register(id cwmp.DeviceID) (usp.EndpointID, error)
	// Load returns what was last saved of an Agent, nil if nothing was yet.
	Load(id usp.EndpointID) (*State, error)
	// Save is durable when it returns nil. It keeps nothing of s.
	Save(id usp.EndpointID, s *State) error
	// LoadTree returns what was last saved of the CPE's tree, nil if nothing is
	// left: it can be read anew.
	LoadTree(id usp.EndpointID) (*Tree, error)
	// SaveTree keeps nothing of t. The tree survives the process, and perhaps not
	// the machine. What it shows of the model of its CPE is learned, if it is Current.
	SaveTree(id usp.EndpointID, t *Tree) error
	// LoadModel returns what is known of a model, nil if nothing is.
	LoadModel(k ModelKey) (*Model, error)
	// Learn adds to the Habits of a model, as Habits.Merge does. It keeps nothing of
	// h.
	Learn(k ModelKey, h Habits) error
}

// Reloader is a Keeper to which others may have taught more of a model than it has at hand.
type Reloader interface {
	// ReloadModel is Keeper.LoadModel for what is stored now.
	ReloadModel(k ModelKey) (*Model, error)
}

// Kept is what is to be known of an Agent that sleeps.
type Kept struct {
	EndpointID usp.EndpointID
	Identity   cwmp.DeviceID
	// Firmware, Wakes, Grants, Rest and Demands are those of its State.
	Firmware string
	Wakes    []Wake
	Grants   []Grant
	Rest     device.Rest
	Demands  *Demands
}

// Wake is when an Agent has to be awake although nobody asks for it, in seconds of
// Unix time: once, or, if Every is not 0, at each whole number of Every seconds
// from At.
type Wake struct {
	At    int64 `json:"at"`
	Every int64 `json:"every,omitempty"`
}

// Tree is what an Agent knows of the data model of its CPE. It can be read anew,
// but what changed while nobody looked can be told only by who remembers it.
type Tree struct {
	// Identity and Firmware are the CPE's: those of one model have much in common, see
	// ModelKeyOf.
	Identity cwmp.DeviceID
	Firmware string
	// Current: the whole of it has been read since the CPE has that Firmware, and need
	// not be read again.
	Current bool
	// Shown is what the model.View was made of.
	Shown *model.Snapshot
	// Supports is what it and its sisters have shown, to be learned; nil of a Tree that is
	// not Current, and of one that was loaded.
	Supports *Supports `json:"-"`
	// Known: all of it has been read once.
	Known bool
	// Read is when names and partial paths of the CPE were last read, in seconds of
	// Unix time.
	Read map[string]int64
	// Refused are names that the CPE announces and does not give.
	Refused []string
}

// EndpointIDs returns what the Virtual Agent of a CPE may be called, in order: the
// one of EndpointIDFor, and one for the case that another CPE has that.
func EndpointIDs(id cwmp.DeviceID) [2]usp.EndpointID {
	return [2]usp.EndpointID{EndpointIDFor(id), uuidFor(id)}
}
