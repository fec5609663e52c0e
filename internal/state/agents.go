// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/internal/store"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/usp"
)

// agents is the State as agent.Keeper.
type agents struct{ s *State }

// Each implements agent.Keeper. A record that is not readable is left out and
// logged: one device must not keep the others from starting.
func (k agents) Each(f func(agent.Kept) error) error {
	s := k.s
	n := int64(0)
	err := s.devices.Each(context.Background(), "", func(e store.Entry) error {
		h, err := s.codec.decodeHead(e.Value)
		if err != nil {
			s.log.Error("a device is left out: its record cannot be read",
				zap.String("endpoint_id", e.Key), zap.Error(err))
			return nil
		}
		n++
		identity := h.identity()
		ids := agent.EndpointIDs(identity)
		if h.EndpointID != ids[0] && h.EndpointID != ids[1] {
			s.mu.Lock()
			s.named[identity.Key()] = h.EndpointID
			s.mu.Unlock()
		}
		return f(agent.Kept{
			EndpointID: h.EndpointID, Identity: identity, Firmware: h.Firmware, Wakes: h.Wakes, Grants: h.Grants,
			Rest: h.Rest, Demands: h.Demands,
		})
	})
	s.count.Store(n)
	if err != nil {
		return fmt.Errorf("state: reading the devices: %w", err)
	}
	return nil
}

// Register implements agent.Keeper.
func (k agents) Register(identity cwmp.DeviceID) (usp.EndpointID, error) {
	s := k.s
	ctx, cancel := s.deadline()
	defer cancel()
	if r, ok, err := s.find(ctx, identity); err != nil || ok {
		if err != nil {
			return "", err
		}
		return r.Head.EndpointID, nil
	}
	for _, id := range agent.EndpointIDs(identity) {
		value, err := s.codec.encode(&record{Head: newHead(id, identity)})
		if err != nil {
			return "", err
		}
		_, err = s.devices.Create(ctx, string(id), value, 0)
		switch {
		case err == nil:
			s.count.Add(1)
			return id, nil
		case !errors.Is(err, store.ErrConflict):
			return "", wrap(id, err)
		}
		// Somebody has it: another CPE, or the same by another node.
		r, _, err := s.get(ctx, id)
		if err != nil {
			return "", err
		}
		if r.Head.identity().Key() == identity.Key() {
			return id, nil
		}
	}
	return "", fmt.Errorf("state: %s: every Endpoint ID it could have is another's", identity)
}

// Load implements agent.Keeper.
func (k agents) Load(id usp.EndpointID) (*agent.State, error) {
	ctx, cancel := k.s.deadline()
	defer cancel()
	r, _, err := k.s.get(ctx, id)
	if err != nil {
		return nil, err
	}
	st, err := k.s.codec.agent(r)
	return st, wrap(id, err)
}

// Save implements agent.Keeper.
func (k agents) Save(id usp.EndpointID, st *agent.State) error {
	return k.s.change(id, func(r *record) error {
		r.Agent = st
		return nil
	})
}

// LoadModel implements agent.Keeper.
func (k agents) LoadModel(key agent.ModelKey) (*agent.Model, error) {
	ctx, cancel := k.s.deadline()
	defer cancel()
	m, err := k.s.models.get(ctx, key)
	if err != nil || m.Key != key {
		return nil, err
	}
	return m, nil
}

// ReloadModel implements agent.Reloader.
func (k agents) ReloadModel(key agent.ModelKey) (*agent.Model, error) {
	ctx, cancel := k.s.deadline()
	defer cancel()
	m, err := k.s.models.reload(ctx, key)
	if err != nil || m.Key != key {
		return nil, err
	}
	return m, nil
}

// Learn implements agent.Keeper.
func (k agents) Learn(key agent.ModelKey, h agent.Habits) error {
	ctx, cancel := k.s.deadline()
	defer cancel()
	_, err := k.s.models.change(ctx, key, func(m *agent.Model) *agent.Model {
		next := m.Habits.Merge(h)
		if next.Equal(m.Habits) {
			return nil
		}
		return &agent.Model{Outline: m.Outline, Sample: m.Sample, Habits: next, Supports: m.Supports}
	})
	return err
}

// devices is the State as device.Keeper.
type devices struct{ s *State }

// Load implements device.Keeper.
func (k devices) Load(identity cwmp.DeviceID) (device.Known, bool, error) {
	ctx, cancel := k.s.deadline()
	defer cancel()
	r, ok, err := k.s.find(ctx, identity)
	if err != nil || !ok {
		return device.Known{}, false, err
	}
	known := device.Known{}
	if r.Known != nil {
		known = *r.Known
	}
	known.Identity = r.Head.identity()
	return known, true, nil
}

// errAnother: a record is that of another CPE.
var errAnother = errors.New("state: the record of another CPE")

// Save implements device.Keeper.
func (k devices) Save(known device.Known) error {
	key := known.Identity.Key()
	for _, id := range k.s.candidates(key) {
		err := k.s.change(id, func(r *record) error {
			if r.Head.identity().Key() != key {
				return errAnother
			}
			r.Known = &known
			return nil
		})
		if !errors.Is(err, store.ErrNotFound) && !errors.Is(err, errAnother) {
			return err
		}
	}
	id, err := agents(k).Register(known.Identity)
	if err != nil {
		return err
	}
	return k.s.change(id, func(r *record) error {
		r.Known = &known
		return nil
	})
}

// Len implements device.Keeper.
func (k devices) Len() int { return int(k.s.count.Load()) }
