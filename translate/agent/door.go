// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"time"
)

// ErrCrowded is what Attach returns where too many CPE have come at once whose Agents
// sleep: the CPE should come again.
var ErrCrowded = errors.New("agent: too many CPE need their Virtual Agents at once")

// pass waits until an Agent may be taken into memory because its CPE has come, so that a
// crowd of these neither takes the processors from everybody else nor far more memory
// than there is for Agents. It returns what to call when the Agent is there. For one
// that is there already it does not wait; nor is it asked for whom a Controller wants.
func (h *Host) pass(e *entry) (passed func(), err error) {
	r := &h.registry
	r.mu.Lock()
	there := e.agent != nil || e.rising != nil
	r.mu.Unlock()
	if there || h.opts.Keeper == nil {
		return func() {}, nil
	}
	patience := time.NewTimer(h.opts.Patience)
	defer patience.Stop()
	select {
	case h.door <- struct{}{}:
	case <-patience.C:
		return nil, ErrCrowded
	case <-h.ended:
		return nil, ErrClosed
	}
	if err := h.awaitRoom(patience.C); err != nil {
		<-h.door
		return nil, err
	}
	return func() { <-h.door }, nil
}

// awaitRoom waits while the Agents in memory have too many bytes and something in hand.
func (h *Host) awaitRoom(patience <-chan time.Time) error {
	if !h.overcrowded() {
		return nil
	}
	again := time.NewTicker(lookForRoom)
	defer again.Stop()
	for {
		h.sweep(context.Background())
		if !h.overcrowded() {
			return nil
		}
		select {
		case <-again.C:
		case <-patience:
			return ErrCrowded
		case <-h.ended:
			return ErrClosed
		}
	}
}

// overcrowded reports that the Agents in memory have a quarter more bytes than they may.
func (h *Host) overcrowded() bool {
	r := &h.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bytes > h.opts.MaxAwakeBytes+h.opts.MaxAwakeBytes/4
}
