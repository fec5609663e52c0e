// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"errors"
	"time"
)

// ErrUnknownEntry means that the Journal does not have the Key, or not in a state that
// can be followed by the one asked for.
var ErrUnknownEntry = errors.New("device: no such journal entry")

// Key names a request that writes: who asked whom, with which msg_id.
type Key struct {
	To    string // Endpoint ID of the Virtual Agent
	From  string // Endpoint ID of the Controller
	MsgID string
}

// State is how far a journalled request has come.
type State uint8

// The states, in their only order.
const (
	// StateNew: Begin has just made the entry; the caller executes the request.
	StateNew State = iota
	// StateQueued: somebody is executing it, nothing has left for the CPE.
	StateQueued
	// StateOnWire: an RPC has left, the outcome is open.
	StateOnWire
	// StateAnswered: done, Reply is what was answered.
	StateAnswered
)

// Entry is a journalled request.
type Entry struct {
	State State
	// Reply is the answer of a StateAnswered; the reader must not change it.
	Reply []byte
	// At is when the entry was made.
	At time.Time
}

// Journal remembers requests that write, so that a repeated one is answered and
// not executed again. All that has returned nil is kept, as durably as the
// implementation promises. Safe for concurrent use. Package journaltest has the
// tests that every implementation passes.
type Journal interface {
	// Begin makes an entry if there is none, and returns StateNew with it;
	// otherwise it returns the entry that is there. ErrBusy: too many
	// requests to this To are unanswered.
	Begin(k Key) (Entry, error)
	// OnWire notes that an RPC of the request is about to leave; repeating it
	// is no error.
	OnWire(k Key) error
	// Answer stores the reply and ends the entry; the Journal keeps a copy.
	Answer(k Key, reply []byte) error
	// Forget removes an entry that was not answered, so that the request may
	// be made again.
	Forget(k Key) error
	// Unanswered calls f for each entry that is queued or on the wire, until f
	// returns false: at start, what a previous process left behind.
	Unanswered(f func(Key, Entry) bool) error
}
